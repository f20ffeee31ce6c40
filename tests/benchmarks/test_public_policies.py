"""The table of public policies: how it is counted, and that the documentation shows it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import public_policies  # noqa: E402
from public_policies import EPISODES, OUT, TorqueMeter, find_policies, make_table, score  # noqa: E402

from bipedal.evaluation.score import evaluate  # noqa: E402
from bipedal.foreign_policy import ForeignPolicy  # noqa: E402
from bipedal.loading.layers import make_linear  # noqa: E402
from bipedal.tables import read_table  # noqa: E402
from bipedal.walker import ENV_IDS, HARDCORE_ID, WALKER_ID  # noqa: E402

ROWS = read_table(ROOT / OUT)


def steady(torque: float) -> ForeignPolicy:
    """A robot with the same torque on all joints."""
    layer = make_linear(torch.zeros(4, 24), torch.full((4,), torque))
    net = nn.Sequential(layer, nn.Hardtanh())
    return ForeignPolicy(net, None, source="a test", env_id=WALKER_ID)


def test_torques_are_charged_as_gymnasium_charges_them() -> None:
    meter = TorqueMeter(lambda observations, begun: torch.tensor([[2.0, -3.0, 0.5, 0.0]] * 2), 2)
    for _ in range(3):
        meter(torch.zeros(2, 24), torch.ones(2, dtype=torch.bool))
    assert meter.cost.tolist() == pytest.approx([3 * 0.028 * 2.5] * 2)


def test_a_row_is_the_score_of_the_same_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_policies, "MAX_ROWS", 4)  # two parts
    policy = steady(0.5)
    row = score("x", policy, 6)
    evaluation = evaluate(policy, episodes=6, seed=row["first_seed"])
    assert row["mean_return"] == pytest.approx(evaluation.mean_return, abs=1e-4)
    low, high = evaluation.to_json()["interval_return"]
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-4)
    mean_length = evaluation.summary()["mean_length"]
    assert row["torque_cost"] == pytest.approx(0.028 * 4 * 0.5 * mean_length, abs=1e-4)
    assert row["published"] == ""


def test_rows_of_others_are_kept_and_ours_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[tuple[str, int]] = []

    def pretend(name: str, policy: object, episodes: int) -> dict[str, object]:
        played.append((name, episodes))
        return {"policy": name, "episodes": episodes}

    monkeypatch.setattr(public_policies, "score", pretend)
    monkeypatch.setattr(public_policies, "load_policy", lambda spec: None)
    (tmp_path / "theirs.json").touch()
    for episodes in (2, 1, 2, 3):
        public_policies.run(tmp_path, episodes, tmp_path / "out.csv")
    assert [episodes for name, episodes in played if name == "theirs"] == [2, 3]
    for ours in public_policies.OURS:
        assert [episodes for name, episodes in played if name == ours] == [2, 1, 2, 3]
    assert [row["episodes"] for row in read_table(tmp_path / "out.csv")] == [3, 3, 3]


def test_a_folder_gives_every_file_of_another_library(tmp_path: Path) -> None:
    for name in ("b.json", "a.zip", "README.md", "a_vecnormalize.pkl", "c.cleanrl_model"):
        (tmp_path / name).touch()
    assert list(find_policies(tmp_path)) == [*public_policies.OURS, "a", "b", "c"]


def test_the_published_table_is_whole() -> None:
    assert len(ROWS) == len({row["policy"] for row in ROWS}) == 20
    assert all(row["episodes"] == EPISODES for row in ROWS)
    assert {row["env_id"] for row in ROWS} == set(ENV_IDS)
    for row in ROWS:
        assert row["low"] < row["mean_return"] < row["high"]
        assert ("hard" in row["policy"]) == (row["env_id"] == HARDCORE_ID)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_the_documentation_shows_it(env_id: str) -> None:
    assert make_table(ROWS, env_id) in (ROOT / "docs" / "results.md").read_text()
