"""A model in one safetensors file: the same policy, and nothing damaged or forged is taken."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from commands import Captured, strict_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import ModelMaker, assert_comes_back, assert_refused, observations
from model_files import tensors as tensors_of

from bipedal import checkpoint, cli
from bipedal.checkpoint import describe_model, load_model, save_model
from bipedal.config import MAX_HIDDEN_LAYERS
from bipedal.errors import UserError
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.policy import Policy
from bipedal.tensor_file import MAX_HEADER_BYTES
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM

Contents = tuple[dict[str, torch.Tensor], dict[str, str]]
"""Tensors and metadata."""


@pytest.fixture
def single(tmp_path: Path, model: Policy) -> Path:
    """A sound model in one file."""
    path = tmp_path / "walker.safetensors"
    save_model(path, model)
    return path


def contents_of(path: Path) -> Contents:
    """As the library reads a file, without this project."""
    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, "pt") as file:
        return tensors, file.metadata()


# The same policy ----------------------------------------------------------------------------------

plain = (
    st.text(st.characters(exclude_categories=("C", "Z")), max_size=200)
    | st.integers(-(2**63), 2**63)
    | st.floats(-1e299, 1e299)
    | st.booleans()
    | st.none()
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hidden_sizes=st.lists(st.integers(1, 33), max_size=4).map(tuple),
    activation=st.sampled_from(["relu", "tanh"]),
    layer_norm=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
    info=st.dictionaries(st.text("abcdef", min_size=1).map("x_".__add__), plain, max_size=4),
    std_bounds=st.tuples(st.floats(1e-6, 0.1), st.floats(0.2, 10.0)),
)
def test_models_of_any_size_come_back_bit_for_bit(
    make_model: ModelMaker,
    tmp_path: Path,
    hidden_sizes: tuple[int, ...],
    activation: str,
    layer_norm: bool,
    seed: int,
    info: dict[str, Any],
    std_bounds: tuple[float, float],
) -> None:
    model = make_model(hidden_sizes, activation=activation, layer_norm=layer_norm, seed=seed)
    model.info = info
    model.actor.std_bounds = std_bounds
    assert_comes_back(tmp_path / "m.safetensors", model)


def assert_same(single: Path, pair: Path) -> None:
    one, other = load_model(single), load_model(pair)
    for (name, a), (name2, b) in zip(tensors_of(one), tensors_of(other), strict=True):
        assert name == name2 and torch.equal(a, b)
    said, other_said = describe_model(single), describe_model(pair)
    for name in ("path", "sha256", "statistics"):
        del said[name], other_said[name]
    assert said == other_said


def test_both_forms_hold_the_same_model(single: Path, model_path: Path) -> None:
    assert_same(single, model_path)


def test_frames_gain_and_the_deepest_network_come_back(tmp_path: Path, model: Policy) -> None:
    width = 3 * OBSERVATION_DIM
    sizes = (5,) * MAX_HIDDEN_LAYERS
    deep = Policy(
        Actor(width, ACTION_DIM, hidden_sizes=sizes),
        Critic(width, hidden_sizes=sizes),
        model.normalizer,
        FrameStack(frames=3, stride=4),
        gain=0.5,
    )
    save_model(tmp_path / "m.safetensors", deep)
    loaded = load_model(tmp_path / "m.safetensors")
    assert (loaded.frame_stack, loaded.gain) == ((3, 4), 1.0)
    for observation in observations(9):
        np.testing.assert_array_equal(loaded.act(observation), deep.act(observation))


def test_the_library_alone_reads_it(single: Path, model: Policy) -> None:
    tensors, metadata = contents_of(single)
    assert torch.equal(tensors["statistics.mean"], model.normalizer.mean)
    weight = model.actor.state_dict()["net.0.weight"]
    assert torch.equal(tensors["policy.net.0.weight"], weight)
    assert json.loads(metadata["env_id"]) == "BipedalWalker-v3"
    assert json.loads(metadata["memory"]) == [1, 1]


def test_what_cannot_be_shown_is_left_out(tmp_path: Path, model: Policy) -> None:
    model.info = {"a": torch.ones(2), "b": "x\n", "c" * 300: 1, "d": float("nan"), "e": "kept"}
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors").info == {"e": "kept"}


def test_every_command_takes_it(single: Path, capsys: Captured, monkeypatch: Any) -> None:
    monkeypatch.chdir(single.parent)
    name = single.name
    assert cli.main(["evaluate", name, "--episodes", "1", "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["episodes"] == 1
    assert cli.main(["info", name, "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["statistics"] == name
    assert cli.main(["record", name, "--out", "a.gif", "--max-seconds", "0.1"]) == 0
    assert cli.main(["share", name, "--out", "a.html"]) == 0
    tiny = "--num-envs 1 --rollout-steps 64 --minibatch-size 64 --epochs 1 --evaluation-episodes 1"
    tiny += " --final-episodes 0 --total-timesteps 64 --run-dir run --init-from"
    assert cli.main(["train", *tiny.split(), name]) == 0
    assert load_model("run/saved_models/best_model.safetensors").info["timesteps"] == 64


# In a run -----------------------------------------------------------------------------------------


def test_a_run_writes_its_best_model_in_both_forms(tiny_run: Path) -> None:
    models = tiny_run / "saved_models"
    assert_same(models / "best_model.safetensors", models / "best_model.pth")
    assert [path.stem for path in models.glob("*.safetensors")] == ["best_model"]


KILLED = """
import os, sys
from pathlib import Path
from bipedal.checkpoint import load_model, save_best_model

older, newer, models = load_model(sys.argv[1]), load_model(sys.argv[2]), Path(sys.argv[3])

def save_and_die_at(operation):
    left = operation
    def count(event, arguments):
        nonlocal left
        if event in ("open", "os.rename", "os.remove") and str(models) in str(arguments[0]):
            left -= 1
            if left < 0:
                os._exit(9)
    sys.addaudithook(count)
    save_best_model(models, newer)
    os._exit(0)

for operation in range(int(sys.argv[4])):
    save_best_model(models, older)
    child = os.fork()
    if child == 0:
        save_and_die_at(operation)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for name in ("best_model.pth", "best_model.safetensors"):
        found = (models / name).exists() and load_model(models / name).info["seed"]
        print(found, end=" ")
    print(killed, flush=True)
"""


def test_a_kill_never_leaves_two_best_models(tmp_path: Path, make_model: ModelMaker) -> None:
    """At each file operation of a save, in a process of its own."""
    for seed in (1, 2):
        save_model(tmp_path / f"{seed}.safetensors", make_model(seed=seed))
    (tmp_path / "models").mkdir()
    places = [tmp_path / "1.safetensors", tmp_path / "2.safetensors", tmp_path / "models"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, places), "16"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    seen = set(done.stdout.splitlines())
    assert seen == {"1 1 9", "1 False 9", "2 False 9", "2 2 9", "2 2 0"}


# Refused ------------------------------------------------------------------------------------------


def test_a_file_cut_short_anywhere_is_refused(single: Path) -> None:
    whole = single.read_bytes()
    for length in sorted({0, 7, 8, 9, len(whole) - 1, *(len(whole) * i // 40 for i in range(40))}):
        single.write_bytes(whole[:length])
        assert_refused(single)
    single.write_bytes(whole + b"more")
    assert_refused(single)


def forged(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(start: int, end: int, shape: list[int]) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


FORGED: dict[str, bytes] = {
    "nothing": forged({}),
    "no JSON": forged(b"nonsense"),
    "no object": forged(b"[]"),
    "a header that is not there": (1 << 62).to_bytes(8, "little") + b"{}",
    "a header of 2^64": b"\xff" * 8,
    "a huge header": forged(b" " * (MAX_HEADER_BYTES + 1)),
    "nested": forged(b"[" * 100_000),
    "nested metadata": forged({"__metadata__": {"a": "[" * 100_000}}),
    "metadata that are no JSON": forged({"__metadata__": {"a": "b"}}),
    "metadata that are no texts": forged({"__metadata__": {"a": 1}}),
    "a number of many digits": forged({"__metadata__": {"a": "9" * 5000}}),
    "overlapping": forged({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)),
    "a gap": forged({"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)),
    "backwards": forged({"a": tensor(4, 0, [1])}, bytes(4)),
    "beyond the end": forged({"a": tensor(0, 8, [2])}, bytes(4)),
    "a huge shape": forged({"a": tensor(0, 4, [1 << 40])}, bytes(4)),
    "a shape that overflows": forged({"a": tensor(0, 4, [1 << 62, 4, 1])}, bytes(4)),
    "an unknown type": forged(
        {"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "a negative shape": forged({"a": tensor(0, 4, [-1])}, bytes(4)),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "walker.safetensors"
    path.write_bytes(FORGED[name])
    assert_refused(path)


Change = Callable[[dict[str, torch.Tensor], dict[str, str]], object]
CHANGES: dict[str, Change] = {
    "no statistics": lambda tensors, _: tensors.pop("statistics.var"),
    "no layer": lambda tensors, _: tensors.pop("policy.net.0.bias"),
    "no critic": lambda tensors, _: [tensors.pop(n) for n in [*tensors] if n.startswith("critic")],
    "statistics of 23": lambda tensors, _: tensors.update({"statistics.mean": torch.ones(23)}),
    "negative": lambda tensors, _: tensors.update({"statistics.var": -torch.ones(24)}),
    "whole numbers": lambda tensors, _: tensors.update(
        {"statistics.count": torch.tensor(3, dtype=torch.int64)}
    ),
    "not finite": lambda tensors, _: tensors["critic.net.0.weight"].fill_(float("inf")),
    "wide": lambda tensors, _: tensors.update({"policy.net.0.weight": torch.ones(9000, 24)}),
    "activation": lambda _, facts: facts.update({"activation": '"gelu"'}),
    "bounds": lambda _, facts: facts.update({"std_bounds": "[1, NaN]"}),
    "frames": lambda _, facts: facts.update({"memory": "[1000000, 1]"}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_this_robot_is_refused(single: Path, name: str) -> None:
    tensors, metadata = contents_of(single)
    CHANGES[name](tensors, metadata)
    single.write_bytes(safetensors.torch.save(tensors, metadata))
    assert_refused(single)


def test_flipped_bytes_are_refused_or_give_finite_numbers(single: Path) -> None:
    whole, rng = single.read_bytes(), random.Random(0)
    header = int.from_bytes(whole[:8], "little")
    refused = 0
    for trial in range(600):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 1, 5))):
            changed[rng.randrange(8 + header if trial % 3 else len(whole))] = rng.randrange(256)
        single.write_bytes(changed)
        try:
            assert np.isfinite(load_model(single).act(observations(1)[0])).all()
        except UserError as error:
            refused += 1
            assert single.stem in str(error)
    assert refused > 100


def test_a_huge_file_is_refused(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "MAX_FILE_BYTES", 100)
    assert_refused(single, "too large")
