"""Statistics that are missing, impossible or of another model are refused."""

from __future__ import annotations

import math
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd
from model_files import (
    ModelMaker,
    assert_refused,
    contents_of,
    notebook_statistics,
    observations,
    write_files,
)

from bipedal.checkpoint import load_model, save_model, statistics_path
from bipedal.errors import UserError
from bipedal.policy import Policy
from bipedal.safe_pickle import parse_statistics


def test_missing_statistics_are_refused_by_name(model_path: Path) -> None:
    statistics_path(model_path).unlink()
    assert "walker_stats.pkl is missing" in assert_refused(model_path)


def test_missing_statistics_may_be_allowed(model_path: Path, model: Policy) -> None:
    statistics_path(model_path).unlink()
    loaded = load_model(model_path, allow_missing_statistics=True)
    assert torch.equal(loaded.normalizer.mean, torch.zeros(24, dtype=torch.float64))
    observation = observations(1)[0]
    with torch.no_grad():
        expected = model.actor(torch.from_numpy(observation).clamp(-10, 10))
    np.testing.assert_allclose(loaded.act(observation), expected.numpy(), atol=1e-6)


def test_the_flag_does_not_allow_wrong_statistics(model_path: Path) -> None:
    statistics_path(model_path).write_bytes(b"junk")
    with pytest.raises(UserError):
        load_model(model_path, allow_missing_statistics=True)


@pytest.mark.usefixtures("no_waiting")
def test_statistics_of_another_model_are_refused(model_path: Path, make_model: ModelMaker) -> None:
    other = model_path.with_name("other.pth")
    save_model(other, make_model(seed=1))
    shutil.copy(statistics_path(other), statistics_path(model_path))
    assert_refused(model_path, "not the statistics that")


@pytest.mark.parametrize("shape", [(), (4,), (23,), (25,), (24, 1), (1, 24), (0,), (1000,)])
def test_statistics_of_another_shape_are_refused(
    tmp_path: Path, model: Policy, shape: tuple[int, ...]
) -> None:
    statistics = notebook_statistics()
    statistics.mean, statistics.var = np.zeros(shape), np.ones(shape)
    assert_refused(write_files(tmp_path / "m.pth", contents_of(model), pickle.dumps(statistics)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, np.full(24, bad)) for name in ("mean", "var") for bad in (np.nan, np.inf)),
        ("var", np.full(24, -1.0)),
        ("var", np.where(np.arange(24) == 23, -1e-300, 1.0)),
        *(("count", bad) for bad in (math.nan, math.inf, 0.0, -1.0, "many", None, 10**400)),
        ("count", np.ones(24)),
        *((name, bad) for name in ("mean", "var") for bad in (None, "text", [0.0] * 24, 1.0)),
        ("mean", np.arange(24)),
        ("mean", np.zeros(24, dtype=np.complex128)),
        ("mean", np.zeros(24, dtype=np.float16)),
        ("mean", np.array([None] * 24)),
        ("mean", np.array(["1.0"] * 24)),
        ("var", np.ones((2, 12))),
    ],
)
def test_impossible_statistics_are_refused(
    tmp_path: Path, model: Policy, name: str, value: object
) -> None:
    statistics = notebook_statistics()
    setattr(statistics, name, value)
    assert_refused(write_files(tmp_path / "m.pth", contents_of(model), pickle.dumps(statistics)))


@pytest.mark.parametrize(
    "thing", [None, 1, "text", {}, {"mean": 0}, [], np.zeros(24), RunningMeanStd]
)
def test_other_pickles_are_refused(thing: object) -> None:
    with pytest.raises(UserError, match=r"x_stats\.pkl"):
        parse_statistics(pickle.dumps(thing), "x_stats.pkl")


@pytest.mark.parametrize("module", ["evil", "gymnasium", "gymnasium.wrappers.utils.x", "builtins"])
def test_a_class_of_the_same_name_elsewhere_is_refused(module: str) -> None:
    data = pickle.dumps(notebook_statistics(), protocol=2)
    data = data.replace(b"cgymnasium.wrappers.utils\n", f"c{module}\n".encode())
    with pytest.raises(UserError, match=f"'{module}.RunningMeanStd'"):
        parse_statistics(data, "x")


@pytest.mark.parametrize("missing", ["mean", "var", "count"])
def test_statistics_that_lack_a_number_are_refused(missing: str) -> None:
    statistics = notebook_statistics()
    delattr(statistics, missing)
    with pytest.raises(UserError):
        parse_statistics(pickle.dumps(statistics), "x")
