"""Put models, the engine and the scripts into one HTML file that needs no server."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from torch import nn

from bipedal import __version__
from bipedal.conformance.answer import Answer, answers_of
from bipedal.conformance.recording import Recording, read_recording, replay
from bipedal.engines.warp import WarpEngine
from bipedal.errors import UserError
from bipedal.evaluation.gait import THRESHOLDS
from bipedal.files import atomic_write
from bipedal.live import ENGINE
from bipedal.networks import one_thread_an_operation
from bipedal.physics.constants import GRAVITY, LEG_LENGTH, TIMESTEP
from bipedal.physics.terrain import HARDCORE
from bipedal.policy import Policy
from bipedal.style import css_variables
from bipedal.walker import ENV_IDS, HARDCORE_ID

PAGE = Path(__file__).parent / "page"
MODULES = (
    *("seeding", "engine", "policy", "model", "parity", "conditions", "ground", "ball", "driver"),
    *("events", "race", "replay", "record", "gait", "player", "colours", "view", "strip", "dom"),
    *("archive", "pickle", "single_file", "model_file", "stage", "pointer", "keyboard", "forms"),
    *("files", "follow", "main"),
)
"""The scripts, each after those that it imports."""
MAX_MODELS = 4
MAX_NAME = 60
"""Characters of a model's name that are shown."""
PARITY_STEPS = 1000
"""A recorded episode that is compared in the page has at least so many timesteps."""

_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def write_page(
    models: Sequence[tuple[str, Policy]],
    path: Path,
    *,
    seed: int = 0,
    progress: Progress = lambda items, total: items,
) -> Path:
    """Write a page in which named models walk; returns its path.

    The page begins with the world of the first model, at `reset(seed=seed)`. Raises `UserError` for
    no model, for more than `MAX_MODELS`, and for a file that cannot be written.
    """
    page = render_page(models, seed=seed, progress=progress)
    try:
        atomic_write((path, page.encode()))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    return path


def render_page(
    models: Sequence[tuple[str, Policy]],
    *,
    seed: int,
    progress: Progress = lambda items, total: items,
    revision: str | None = None,
    compact: bool = False,
) -> str:
    """The text of such a page.

    With a `revision` of the models it asks its server for later ones; see `bipedal.live.watch`. A
    `compact` page shows the robots and little else: it stands in a frame of another page.
    """
    if not 1 <= len(models) <= MAX_MODELS:
        raise UserError(f"a page shows 1 to {MAX_MODELS} models, not {len(models)}")
    names = [shown_name(name) for name, _ in models]
    policies = [policy for _, policy in models]
    jobs = [*(_recorded(env_id) for env_id in ENV_IDS), *(
        _own(number, name, policy, seed)
        for number, (name, policy) in enumerate(zip(names, policies, strict=True))
    )]  # fmt: skip
    data = {
        "engine": _base64(ENGINE.read_bytes()),
        "hardcore": policies[0].env_id == HARDCORE_ID,
        "difficulty": dataclasses.asdict(HARDCORE),
        "gait": gait_limits(),
        "models": [describe_policy(*model) for model in zip(names, policies, strict=True)],
        "episodes": [episode() for episode in progress(jobs, len(jobs))],
        "revision": revision,
    }
    page: str = _template().render(
        title=" and ".join(names),
        seed=seed,
        version=__version__,
        variables=css_variables(),
        kind="compact" if compact else "whole",
        connect="" if revision is None else "; connect-src 'self'",
        data=embed_json(data),
        script=Markup(bundle_scripts()),
    )
    return page


def script_hash(page: str) -> str:
    """What a page that holds `page` in a frame must allow in its Content-Security-Policy.

    A frame inherits it.
    """
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, flags=re.S)
    return f"'sha256-{_base64(hashlib.sha256(script.encode()).digest())}'"


def shown_name(name: str) -> str:
    """A model's name for people, without control characters, and not too long."""
    name = name.removeprefix("pretrained:")
    shown = "".join(c if c.isprintable() else " " for c in name)
    return shown if len(shown) <= MAX_NAME else f"…{shown[-MAX_NAME + 1 :]}"


def embed_json(data: Any) -> Markup:
    """JSON for a script element: no text in it can end the element."""
    return Markup(json.dumps(data, allow_nan=False).replace("<", r"\u003c"))


def bundle_scripts() -> str:
    """The modules as one script, which a page without a server can hold: a file imports none.

    Each becomes a function that returns what it exports, so that its other names stay its own.
    """
    return "\n".join(["const modules = {};", *map(_as_function, MODULES)])


def _as_function(name: str) -> str:
    text = (PAGE / f"{name}.mjs").read_text(encoding="utf-8")
    text = re.sub(r'^import (.*) from "./(.*).mjs";$', r"const \1 = modules.\2;", text, flags=re.M)
    exported = re.findall(r"^export (?:async )?(?:const|function|class) (\w+)", text, flags=re.M)
    body = re.sub(r"^export ", "", text, flags=re.M)
    return f"modules.{name} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"


def _template() -> Any:
    loader = PackageLoader("bipedal.live", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html")


def gait_limits() -> dict[str, float]:
    """What `page/gait.mjs` needs: `THRESHOLDS`, and the scales of time, gravity and legs."""
    scales = {"timestep": TIMESTEP, "gravity": GRAVITY, "leg_length": LEG_LENGTH}
    return {**dataclasses.asdict(THRESHOLDS), **scales}


# Models -------------------------------------------------------------------------------------------


def describe_policy(name: str, policy: Policy) -> dict[str, Any]:
    """A policy as `page/policy.mjs` reads it; weights are little-endian float32 in base64."""
    normalizer = policy.normalizer
    deviation = torch.sqrt(normalizer.var + normalizer.epsilon)
    return {
        "name": name,
        "layers": [_describe_layer(layer) for layer in policy.actor.net],
        "critic": [_describe_layer(layer) for layer in policy.critic.net],
        "normalizer": {
            "mean": normalizer.mean.tolist(),
            "deviation": deviation.tolist(),
            "clip": normalizer.clip,
        },
        "frames": policy.frame_stack.frames,
        "stride": policy.frame_stack.stride,
        "gain": policy.gain,
    }


def _describe_layer(layer: nn.Module) -> dict[str, Any]:
    if isinstance(layer, nn.Linear):
        return {"kind": "linear", **_parameters(layer)}
    if isinstance(layer, nn.LayerNorm):
        return {"kind": "norm", "epsilon": layer.eps, **_parameters(layer)}
    return {"kind": "relu" if isinstance(layer, nn.ReLU) else "tanh"}


def _parameters(layer: nn.Module) -> Mapping[str, str]:
    return {
        name: _base64(parameter.detach().cpu().numpy().astype("<f4").tobytes())
        for name, parameter in layer.named_parameters()
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# Episodes for the comparison ----------------------------------------------------------------------


def _recorded(env_id: str) -> Callable[[], dict[str, Any]]:
    """The shortest recorded episode of at least `PARITY_STEPS` timesteps."""

    def play() -> dict[str, Any]:
        recording = read_recording(env_id)
        long = [one for one in recording.episodes if len(one.actions) >= PARITY_STEPS]
        chosen = min(long, key=lambda one: len(one.actions))
        one = Recording(env_id, recording.versions, [chosen])
        ((episode, answers),) = replay(one, rows=1, threads=1)
        name = f"{env_id}, recorded from Gymnasium: {episode.behaviour}"
        return describe_episode(name, env_id, episode.seed, answers, actions=episode.actions)

    return play


def _own(number: int, name: str, policy: Policy, seed: int) -> Callable[[], dict[str, Any]]:
    """The greedy episode of a model, in its own world."""

    def play() -> dict[str, Any]:
        answers = list(play_greedily(policy, seed))
        title = f"{policy.env_id}, played by {name}"
        return describe_episode(title, policy.env_id, seed, answers, model=number)

    return play


def play_greedily(policy: Policy, seed: int) -> Iterator[Answer]:
    """The engine's answers in a greedy episode of the policy's world, the reset's first."""
    policy = policy.share()
    with (
        one_thread_an_operation(),
        closing(WarpEngine(policy.env_id, 1, seed, threads=1)) as engine,
    ):
        answer = Answer(engine.reset().numpy()[0].copy())
        yield answer
        while not (answer.terminated or answer.truncated):
            action = policy.act(answer.observation)
            (answer,) = answers_of(engine.step(torch.from_numpy(action)[None]))
            yield answer


def describe_episode(
    name: str,
    env_id: str,
    seed: int,
    answers: Sequence[Answer],
    *,
    actions: npt.NDArray[np.float32] | None = None,
    model: int | None = None,
) -> dict[str, Any]:
    """An episode as `page/parity.mjs` compares it: by actions (T, 4), or by a model's number."""
    digests = np.array([digest_of(answer) for answer in answers], dtype="<u8")
    return {
        "name": name,
        "seed": seed,
        "hardcore": env_id == HARDCORE_ID,
        "actions": None if actions is None else _base64(actions.astype("<f4").tobytes()),
        "model": model,
        "digests": _base64(digests.tobytes()),
    }


def digest_of(answer: Answer) -> int:
    """FNV-1a of 64 bits over every bit of an answer."""
    digest = _FNV_OFFSET
    for byte in answer.to_bytes():
        digest = (digest ^ byte) * _FNV_PRIME % 2**64
    return digest
