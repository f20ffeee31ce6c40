from pathlib import Path

import numpy as np
import pytest
import torch

from bipedal.engines.warp import WarpEngine
from bipedal.seeds import row_seeds
from bipedal.studies import peers
from bipedal.walker import TIME_LIMITS


def test_torques_are_all_combinations() -> None:
    table = peers.torque_table(3)
    assert table.shape == (81, 4)
    assert len(np.unique(table, axis=0)) == 81
    assert set(table.ravel()) == {-1.0, 0.0, 1.0}


def test_the_adapter_plays_our_engine() -> None:
    venv, engine = peers.make_venv(2, 7), WarpEngine("BipedalWalker-v3", 2, row_seeds(7, 2))
    np.testing.assert_array_equal(venv.reset(), engine.reset())
    action = np.array([[1.0, -1.0, 1.0, -1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    ends = 0
    for _ in range(150):
        observation, reward, done, infos = venv.step(action)
        step = engine.step(torch.from_numpy(action))
        np.testing.assert_array_equal(observation, step.observation)
        np.testing.assert_array_equal(reward, step.reward.float())
        np.testing.assert_array_equal(done, step.done)
        for env in np.flatnonzero(done):
            ends += 1
            last = infos[env]["terminal_observation"]
            np.testing.assert_array_equal(last, step.final_observation[env])
            assert infos[env]["TimeLimit.truncated"] is False
    assert ends
    venv.close()
    engine.close()


def test_a_time_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TIME_LIMITS, "BipedalWalker-v3", 12)
    venv = peers.make_venv(1, 7)
    venv.reset()
    for _ in range(12):
        _, _, done, infos = venv.step(np.zeros((1, 4), dtype=np.float32))
    assert done[0]
    assert infos[0]["TimeLimit.truncated"] is True
    venv.close()


@pytest.mark.parametrize("name", ["trpo", "ddpg", "dqn-3", "sac", "tqc"])
def test_a_peer_learns_and_comes_back(name: str, tmp_path: Path) -> None:
    model = peers.make_peer(name, seed=0, timesteps=64)
    seen: list[int] = []
    peers.learn(model, 64, 60.0, lambda timesteps, seconds: seen.append(timesteps))
    assert seen[-1] >= 64
    path = tmp_path / "policy.pth"
    peers.save_peer(model, path)
    act = peers.load_peer(name, path)
    action = act(np.linspace(-1.0, 1.0, 24, dtype=np.float32))
    assert action.shape == (4,)
    assert np.abs(action).max() <= 1.0
    np.testing.assert_array_equal(action, act(np.linspace(-1.0, 1.0, 24, dtype=np.float32)))


def test_a_peer_stops_when_its_time_is_up() -> None:
    model = peers.make_peer("ddpg", seed=0, timesteps=1_000_000)
    peers.learn(model, 1_000_000, 0.2, lambda timesteps, seconds: None)
    assert model.num_timesteps < 100_000
