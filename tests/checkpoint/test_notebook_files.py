"""The files of the notebook load here, and ours load there."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers.utils import RunningMeanStd
from model_files import ModelMaker, contents_of, notebook_statistics, observations, write_files
from torch import nn

from bipedal.checkpoint import load_model, save_model
from bipedal.policy import Policy
from bipedal.safe_pickle import parse_statistics
from bipedal.walker import FloatArray


def notebook_net(outputs: int) -> nn.Sequential:
    """The layers of the notebook's networks, written out."""
    return nn.Sequential(
        nn.Linear(24, 256),
        nn.LayerNorm(256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.LayerNorm(256),
        nn.ReLU(),
        nn.Linear(256, outputs),
    )


class NotebookActor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = notebook_net(outputs=4)
        self.log_std = nn.Parameter(torch.zeros(4))


class NotebookCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = notebook_net(outputs=1)


def notebook_action(actor: NotebookActor, statistics: Any, observation: FloatArray) -> FloatArray:
    """Greedy action as the notebook computes it."""
    scaled = (observation - statistics.mean) / np.sqrt(statistics.var + 1e-8)
    with torch.no_grad():
        mean = actor.net(torch.from_numpy(np.clip(scaled, -10, 10).astype(np.float32)))
    action: FloatArray = np.tanh(mean.numpy())
    return action


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_files_of_the_notebook_load_and_act_the_same(
    tmp_path: Path, protocol: int, dtype: type
) -> None:
    torch.manual_seed(protocol)
    actor, critic = NotebookActor(), NotebookCritic()
    statistics = notebook_statistics(dtype)
    path = tmp_path / "best_model.pth"
    write_files(
        path,
        {"policy": actor.state_dict(), "critic": critic.state_dict()},
        pickle.dumps(statistics, protocol=protocol),
    )
    model = load_model(path)
    np.testing.assert_array_equal(model.normalizer.mean.numpy(), statistics.mean)
    np.testing.assert_array_equal(model.normalizer.var.numpy(), statistics.var)
    assert float(model.normalizer.count) == statistics.count
    assert model.info == {}
    for observation in observations(20, seed=9):
        np.testing.assert_allclose(
            model.act(observation), notebook_action(actor, statistics, observation), atol=2e-6
        )
    some = torch.from_numpy(observations(5))
    torch.testing.assert_close(model.critic(some), critic.net(some).squeeze(-1))


@pytest.mark.parametrize("log_std_shape", [(4,), (1, 4)])
def test_log_std_may_have_a_batch_dimension(
    tmp_path: Path, model: Policy, log_std_shape: tuple[int, ...]
) -> None:
    contents = contents_of(model)
    contents["policy"]["log_std"] = contents["policy"]["log_std"].reshape(log_std_shape)
    path = write_files(tmp_path / "m.pth", contents, pickle.dumps(notebook_statistics()))
    assert torch.equal(load_model(path).actor.log_std, model.actor.log_std)


def test_statistics_of_older_libraries_load() -> None:
    statistics = notebook_statistics()
    new = pickle.dumps(statistics, protocol=2)  # names stand in clear text
    old = new.replace(b"cgymnasium.wrappers.utils\n", b"cgymnasium.wrappers.normalize\n")
    old = old.replace(b"cnumpy._core.", b"cnumpy.core.")
    assert old != new
    for data in (old, new):
        normalizer = parse_statistics(data, "x_stats.pkl")
        np.testing.assert_array_equal(normalizer.mean.numpy(), statistics.mean)


def test_big_endian_statistics_load_as_the_same_numbers() -> None:
    statistics = notebook_statistics()
    mean = statistics.mean
    statistics.mean = mean.astype(">f8")
    assert b">" in pickle.dumps(statistics)
    np.testing.assert_array_equal(
        parse_statistics(pickle.dumps(statistics), "x").mean.numpy(), mean
    )


@pytest.mark.parametrize("count", [1000, 1000.5, np.float64(1000.5), np.float32(1000.5)])
def test_the_count_may_be_any_kind_of_number(count: Any) -> None:
    statistics = notebook_statistics()
    statistics.count = count
    assert float(parse_statistics(pickle.dumps(statistics), "x").count) == float(count)


def test_the_notebook_reads_our_files_and_acts_the_same(
    tmp_path: Path, make_model: ModelMaker
) -> None:
    model = make_model((256, 256))
    path = tmp_path / "best_model.pth"
    save_model(path, model)

    file = torch.load(path, weights_only=True)
    actor, critic = NotebookActor(), NotebookCritic()
    actor.load_state_dict(file["policy"])
    critic.load_state_dict(file["critic"])
    with open(tmp_path / "best_model_stats.pkl", "rb") as stream:
        statistics: Any = pickle.load(stream)

    assert statistics.mean.dtype == statistics.var.dtype == np.float64
    assert type(statistics.count) is float
    for observation in observations(20):
        np.testing.assert_allclose(
            notebook_action(actor, statistics, observation), model.act(observation), atol=1e-6
        )
    statistics.update(observations(10))  # it is alive: training can go on with it
    assert type(statistics) is RunningMeanStd


def test_further_keys_of_our_files_are_plain(model_path: Path) -> None:
    file = torch.load(model_path, weights_only=True)
    further = file.keys() - {"policy", "critic"}
    assert {"env_id", "statistics_sha256"} <= further
    for key in further:
        assert isinstance(file[key], str | int | float | list), key
