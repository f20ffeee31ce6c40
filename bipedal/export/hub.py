"""Share a model: a folder with its files, its score, a video and a card, and its upload."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bipedal.checkpoint import save_model
from bipedal.config import TrainConfig, config_to_json
from bipedal.errors import RunFailedError, UserError
from bipedal.evaluation.score import Evaluation
from bipedal.fields import flag
from bipedal.files import atomic_write, reason
from bipedal.policy import Policy
from bipedal.presets import get_preset
from bipedal.run_directory import installed_versions, read_run_config

MODEL, CARD, VIDEO, SCORE, CONFIG = (
    "model.safetensors", "README.md", "replay.mp4", "score.json", "config.json",
)  # fmt: skip
NEEDS_HUB = "an upload needs huggingface_hub: pip install huggingface_hub"

HEAD = """---
library_name: bipedal
tags:
- {env_id}
- reinforcement-learning
- deep-reinforcement-learning
model-index:
- name: PPO
  results:
  - task:
      type: reinforcement-learning
      name: reinforcement-learning
    dataset:
      name: {env_id}
      type: {env_id}
    metrics:
    - type: mean_reward
      value: {mean_return:.2f} +/- {std_return:.2f}
      name: mean_reward
      verified: false
---

# A walker for {env_id}

Trained with PPO by `bipedal` (the package `bipedal-walker`).

<video controls src="{video}"></video>
"""

USE = """
Download `{model}`, and:

```sh
pip install bipedal-walker
bipedal evaluate {model} --episodes {episodes} --seed {seed}
```
"""


def check_request(repo: str, folder: Path) -> None:
    """UserError if this names no repository, or if the folder is there already."""
    if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", repo, re.ASCII):
        raise UserError(f"{repo!r} names no repository: give OWNER/NAME")
    if folder.exists():
        raise UserError(f"{folder} is there already: remove it, or choose another --out")


def config_beside(model: str) -> TrainConfig | None:
    """The configuration of a run directory; None for a model that is none."""
    return read_run_config(Path(model)) if (Path(model) / CONFIG).is_file() else None


def write_files(
    folder: Path, policy: Policy, score: Evaluation, config: TrainConfig | None
) -> None:
    """Write the model, its score, its configuration and its card into a folder.

    Raises `UserError` if nothing can be written there.
    """
    result = score.to_json()
    files = [
        (folder / SCORE, json.dumps(result, indent=2).encode()),
        (folder / CARD, card(result, config).encode()),
    ]
    if config is not None:
        files.append((folder / CONFIG, json.dumps(config_to_json(config), indent=2).encode()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_model(folder / MODEL, policy)
        atomic_write(*files)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {reason(error)}") from None


def upload(folder: Path, repo: str) -> str:
    """Upload a folder to the repository `OWNER/NAME`, made if it is not there; returns its address.

    Raises `UserError` where huggingface_hub is not installed, `RunFailedError` if it cannot be
    done: no network, no right to.
    """
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError:
        raise UserError(NEEDS_HUB) from None
    api = HfApi()
    try:
        address = api.create_repo(repo, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder)
    except Exception as error:  # those of its HTTP client have no common class of their own
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunFailedError(
            f"{folder} is written, but was not uploaded: {said} (log in with `hf auth login`)"
        ) from None
    return str(address)


# The card -----------------------------------------------------------------------------------------


def card(result: Mapping[str, Any], config: TrainConfig | None) -> str:
    """What people read first: score, gait, how it was trained and how to check it.

    `result` is that of `Evaluation.to_json`.
    """
    facts = {**result, "video": VIDEO, "model": MODEL}
    parts = [HEAD.format(**facts), "\n## Score\n", _table(_score(result)), "\n## Gait\n"]
    parts += [_table(_gait(result["gait"])), "\n## Check it\n", USE.format(**facts)]
    if config is not None:
        parts += ["\n## Training\n", f"\nSeed {config.seed}. The command:\n\n"]
        parts.append(f"```sh\n{training_command(config)}\n```\n")
    versions = "\n## Versions\n", _table(installed_versions())
    return "".join([*parts, *versions])


def training_command(config: TrainConfig) -> str:
    """The command that starts a run with this configuration: what differs from its preset."""
    preset = get_preset(config.preset)
    words = ["bipedal", "train", "--preset", config.preset]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == getattr(preset, field.name) and field.name != "seed":
            continue
        if isinstance(value, bool):
            words.append(flag(field.name if value else f"no_{field.name}"))
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [flag(field.name), *map(str, values)]
    return shlex.join(words)


def _score(result: Mapping[str, Any]) -> dict[str, str]:
    low_high = result["interval_return"]
    interval = "" if low_high is None else f", 95 % interval {low_high[0]:.1f} to {low_high[1]:.1f}"
    last = result["seed"] + result["episodes"] - 1
    return {
        "mean return": f"{result['mean_return']:.1f}{interval}",
        "smallest and largest return": f"{result['min_return']:.1f}, {result['max_return']:.1f}",
        "falls": f"{result['fall_rate']:.1%}",
        "mean speed": f"{result['mean_speed']:.2f} m/s",
        "episodes": f"{result['episodes']}, those of seeds {result['seed']} to {last}",
    }


def _gait(gait: Mapping[str, Any]) -> dict[str, str]:
    words = {name: gait[name] for name in ("class", "posture", "legwork")}
    numbers = {
        name.replace("_", " "): "not defined" if gait[name] is None else f"{gait[name]:.2f}"
        for name in ("duty_factor", "step_length", "symmetry", "cost_of_transport")
    }
    return {**words, **numbers}


def _table(rows: Mapping[str, str]) -> str:
    return "\n| | |\n|---|---|\n" + "".join(f"| {name} | {text} |\n" for name, text in rows.items())
