"""Models that are dropped on the page: read in node from the files that Python wrote."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from conftest import ModelMaker
from node import needs_node, run_node

from bipedal.checkpoint import (
    load_model,
    resolve_model_path,
    save_model,
    statistics_path,
)
from bipedal.history import FrameStack
from bipedal.live.share import play_greedily
from bipedal.networks import forward_in_float64
from bipedal.policy import Policy

pytestmark = needs_node

Pair = tuple[bytes, ...]
"""Weights and statistics, or a single file."""


def read(pair: Pair, observations: Any = ()) -> Any:
    """Actions and value that the page computes, or its sentence."""
    texts = [base64.b64encode(data).decode() for data in pair]
    given: dict[str, Any] = dict(zip(("weights", "statistics"), texts, strict=False))
    given["observations"] = list(observations)
    return json.loads(run_node("race_jobs.mjs", job="files", **given))


def pair_at(path: Path) -> Pair:
    return path.read_bytes(), statistics_path(path).read_bytes()


def pair_of(name: str) -> Pair:
    return pair_at(resolve_model_path(name))


def policy_from(pair: Pair) -> Policy:
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("model.pth" if len(pair) == 2 else "model.safetensors")
        for target, data in zip((path, statistics_path(path)), pair, strict=False):
            target.write_bytes(data)
        return load_model(path)


def pair_from(policy: Policy) -> Pair:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.pth"
        save_model(path, policy)
        return pair_at(path)


def single_from(policy: Policy) -> Pair:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(path, policy)
        return (path.read_bytes(),)


@pytest.fixture(scope="module")
def observations() -> np.ndarray:
    answers = list(play_greedily(load_model("pretrained:walker"), 0))
    return np.stack([answer.observation for answer in answers[:300]])


def check(pair: Pair, observations: np.ndarray) -> None:
    """The page's actions have Python's bits."""
    policy = policy_from(pair)
    expected = np.stack([policy.act(observation) for observation in observations])
    found = read(pair, observations.tolist())
    assert np.array(found["actions"], np.float32).tobytes() == expected.tobytes()
    policy.restart()
    for observation in torch.from_numpy(observations):
        shown = policy.observe(observation[None])
    value = float(forward_in_float64(policy.critic.net, shown))
    assert found["value"] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", ["pretrained:walker", "pretrained:hardcore"])
def test_a_dropped_model_acts_as_in_python(name: str, observations: np.ndarray) -> None:
    check(pair_of(name), observations)


def test_models_of_other_shapes_act_as_in_python(
    make_model: ModelMaker, observations: np.ndarray
) -> None:
    bare = make_model((5, 7), activation="tanh", layer_norm=False)
    wide = make_model()
    for network in (wide.actor, wide.critic):
        first = network.net[0]
        assert isinstance(first, torch.nn.Linear)
        network.net[0] = torch.nn.Linear(3 * 24, first.out_features)
    stacked = Policy(wide.actor, wide.critic, wide.normalizer, FrameStack(3, 4), gain=1.5)
    for policy in (bare, stacked):
        check(pair_from(policy), observations)
        check(single_from(policy), observations)


def test_single_files_that_are_not_models_are_refused() -> None:
    (whole,) = single_from(load_model("pretrained:walker"))
    refused = {
        "it is damaged": whole[:4],
        "it is not a model file": b"\xff" * 100,
        "its weights are damaged": whole[:-4],
        "it holds other numbers than float32 and float64": whole.replace(b'"F32"', b'"I32"'),
        "this model does not fit the robot": whole.replace(b"policy.net.6", b"policy.net.x"),
    }
    for sentence, data in refused.items():
        assert read((data,)) == sentence
    assert read((whole.replace(b"statistics.var", b"statistics.vax"),)) == "it is damaged"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_statistics_of_every_protocol_are_read(protocol: int, observations: np.ndarray) -> None:
    weights, statistics = pair_of("pretrained:walker")
    contents = torch.load(io.BytesIO(weights), weights_only=True)
    del contents["statistics_sha256"]
    again = pickle.dumps(pickle.loads(statistics), protocol)
    check((saved(contents), again), observations)


def test_the_notebooks_files_are_read(observations: np.ndarray) -> None:
    """They hold no more than weights, in an ordered dictionary."""
    weights, statistics = pair_of("pretrained:walker")
    contents = torch.load(io.BytesIO(weights), weights_only=True)
    policy = torch.nn.Module()
    policy.net = load_model("pretrained:walker").actor.net
    state = policy.state_dict()
    assert type(state) is not dict
    notebook = {"policy": state, "critic": contents["critic"]}
    check((saved({**notebook, "policy": {**state, "log_std": torch.zeros(4)}}), statistics),
          observations)  # fmt: skip
    found = read((saved(notebook), statistics), observations[:3].tolist())
    assert len(found["actions"]) == 3


def saved(contents: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.getvalue()


class Evil:
    def __reduce__(self) -> Any:
        return print, ("run",)


def with_entry(weights: bytes, name: str, content: bytes, kind: int = zipfile.ZIP_STORED) -> bytes:
    """An archive in which one entry holds something else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(weights)) as old, zipfile.ZipFile(buffer, "w", kind) as new:
        for entry in old.namelist():
            new.writestr(entry, content if entry.endswith(name) else old.read(entry))
    return buffer.getvalue()


def test_files_that_are_not_models_are_refused() -> None:
    weights, statistics = pair_of("pretrained:walker")
    contents = torch.load(io.BytesIO(weights), weights_only=True)
    other = gymnasium.wrappers.utils.RunningMeanStd(shape=(3,))
    flipped = bytearray(weights)
    flipped[len(weights) // 2] ^= 1
    loose = {key: value for key, value in contents.items() if key != "statistics_sha256"}
    refused = {
        "not a model file": (b"", statistics),
        "damaged": (bytes(flipped), statistics),
        "packed": (with_entry(weights, "none", b"", zipfile.ZIP_DEFLATED), statistics),
        "nothing of it was run": (
            with_entry(weights, "data.pkl", pickle.dumps({1, 2}, 4)), statistics,
        ),
        "does not hold": (saved({"policy": Evil()}), statistics),
        "more than plain weights": (
            saved({**contents, "policy": {"net.0.weight": Evil()}}), statistics,
        ),
        "not the statistics": (weights, pair_of("pretrained:hardcore")[1]),
        "RunningMeanStd": (saved(loose), pickle.dumps(Evil())),
        "24 numbers": (saved(loose), pickle.dumps(other)),
        "does not fit the robot": (
            saved({**loose, "policy": loose["critic"]}), statistics,
        ),
        "too soon": (saved(loose), statistics[:-400]),
        "it is damaged": (saved({**loose, "memory": 3}), statistics),
    }  # fmt: skip
    for sentence, pair in refused.items():
        found = read(pair)
        assert isinstance(found, str), sentence
        assert sentence in found, found


def test_weights_beyond_their_storage_are_refused() -> None:
    weights, statistics = pair_of("pretrained:walker")
    with zipfile.ZipFile(io.BytesIO(weights)) as archive:
        short = archive.read("archive/data/0")[:-4]
    assert read((with_entry(weights, "data/0", short), statistics)) == "its weights are damaged"
