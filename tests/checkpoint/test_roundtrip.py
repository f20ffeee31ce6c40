"""A model that is saved and loaded is the same, bit for bit."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_files import ModelMaker, assert_comes_back, assert_refused, observations, same_model

from bipedal.checkpoint import (
    describe_model,
    load_model,
    load_state,
    save_model,
    save_state,
    statistics_path,
)
from bipedal.config import MAX_HIDDEN_LAYERS, MAX_WIDTH
from bipedal.history import FrameStack
from bipedal.networks import Actor, Critic
from bipedal.policy import Policy
from bipedal.walker import ACTION_DIM, OBSERVATION_DIM


def test_a_model_comes_back_bit_for_bit(model_path: Path, model: Policy) -> None:
    loaded = load_model(model_path)
    assert same_model(loaded, model)
    assert loaded.actor.std_bounds == model.actor.std_bounds
    for observation in observations(20):
        np.testing.assert_array_equal(loaded.act(observation), model.act(observation))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hidden_sizes=st.lists(st.integers(1, 33), max_size=4).map(tuple),
    activation=st.sampled_from(["relu", "tanh"]),
    layer_norm=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
    info=st.dictionaries(
        st.text(min_size=1, max_size=20).map("x_".__add__),
        st.one_of(
            st.text(max_size=20),
            st.integers(-(2**63), 2**63),
            st.floats(allow_nan=False),
            st.booleans(),
            st.none(),
        ),
        max_size=4,
    ),
    std_bounds=st.tuples(st.floats(1e-6, 0.1), st.floats(0.2, 10.0)),
)
def test_models_of_any_size_come_back_bit_for_bit(
    make_model: ModelMaker,
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
    with tempfile.TemporaryDirectory() as directory:
        assert_comes_back(Path(directory) / "m.pth", model)


def with_frames(model: Policy, frame_stack: FrameStack) -> Policy:
    """The same robot with other networks, which are shown several observations."""
    width = frame_stack.frames * OBSERVATION_DIM
    actor, critic = Actor(width, ACTION_DIM, hidden_sizes=(5,)), Critic(width, hidden_sizes=(5,))
    return Policy(actor, critic, model.normalizer, frame_stack, info=model.info)


def test_a_memory_comes_back(tmp_path: Path, model: Policy) -> None:
    remembering = with_frames(model, FrameStack(frames=3, stride=4))
    save_model(tmp_path / "m.pth", remembering)
    loaded = load_model(tmp_path / "m.pth")
    assert loaded.frame_stack == (3, 4)
    for observation in observations(9):
        np.testing.assert_array_equal(loaded.act(observation), remembering.act(observation))
    facts = describe_model(tmp_path / "m.pth")
    assert (facts["frames"], facts["frame_stride"], facts["layers"]) == (3, 4, "72-5-4")


@pytest.mark.parametrize(
    "memory",
    [[0, 1], [1, 0], [65, 1], [2, 1024], [1, 10**30], [2], [2.0, 1], "2", [True, 1], [2, 1]],
)
def test_an_impossible_memory_is_refused(tmp_path: Path, model: Policy, memory: object) -> None:
    """The last one is possible, but not with networks that are shown one observation."""
    path = tmp_path / "m.pth"
    save_model(path, model)
    contents = torch.load(path, weights_only=True)
    torch.save({**contents, "memory": memory}, path)
    assert_refused(path)


def test_the_largest_network_that_may_be_trained_can_be_loaded(
    tmp_path: Path, make_model: ModelMaker
) -> None:
    deep = make_model((2,) * MAX_HIDDEN_LAYERS)
    wide = make_model((MAX_WIDTH,))
    for name, model in (("deep", deep), ("wide", wide)):
        save_model(tmp_path / f"{name}.pth", model)
        assert same_model(load_model(tmp_path / f"{name}.pth"), model)


def test_saving_leaves_only_the_two_files(model_path: Path) -> None:
    assert sorted(p.name for p in model_path.parent.iterdir()) == ["walker.pth", "walker_stats.pkl"]


def test_saving_the_same_model_twice_writes_the_same_statistics(
    model_path: Path, model: Policy
) -> None:
    before = statistics_path(model_path).read_bytes()
    save_model(model_path, model)
    assert statistics_path(model_path).read_bytes() == before


def test_two_loads_share_nothing(model_path: Path, model: Policy) -> None:
    first, second = load_model(model_path), load_model(model_path)
    with torch.no_grad():
        first.actor.log_std.fill_(-1)
        first.normalizer.mean.fill_(3)
    assert same_model(second, model)


def test_state_comes_back(tmp_path: Path) -> None:
    tensor = torch.arange(3)
    plain = {"b": [1.5, math.inf], "c": {"d": "e", "f": None}}
    save_state(tmp_path / "resume.pt", {"a": tensor, **plain})
    loaded = load_state(tmp_path / "resume.pt")
    assert torch.equal(loaded.pop("a"), tensor)
    assert loaded == plain
