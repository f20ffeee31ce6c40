"""Every study from end to end, on a budget that teaches nothing."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bipedal.errors import UserError
from bipedal.evaluation.gait import GaitClass
from bipedal.presets import DEFAULT
from bipedal.studies import (
    MODULES,
    algorithms,
    dynamics,
    find_study,
    hardcore,
    inference,
    kneeling,
)
from bipedal.studies.study import Trial


@pytest.fixture(autouse=True)
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (algorithms, dynamics, hardcore, inference, kneeling):
        monkeypatch.setattr(module, "EPISODES", 1)
    monkeypatch.setattr(algorithms, "GRID", 2)
    monkeypatch.setattr(algorithms, "SECONDS", 1.0)
    monkeypatch.setattr(algorithms, "LONGER", {})


def play(name: str, arm: str, timesteps: int, folder: Path) -> Any:
    return find_study(name).trial(Trial(arm, 0, timesteps, folder))


@pytest.mark.parametrize("name", MODULES)
def test_a_study_is_whole(name: str) -> None:
    study = find_study(name)
    assert study.name == name
    assert study.title and study.claimed and study.method
    for claim in study.claims:
        assert set(claim.more) | set(claim.less) <= set(study.shown), claim.text
        assert claim.measure in [measure.column for measure in study.measures]
        assert not set(claim.more) & set(claim.less)


def test_an_unknown_study_gets_a_sentence() -> None:
    with pytest.raises(UserError, match="unknown study 'gait': choose one of dynamics"):
        find_study("gait")


def test_dynamics_has_a_row_a_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = dataclasses.replace(dynamics.SEED, epochs=1, rollout_steps=256)
    monkeypatch.setattr(dynamics, "SEED", small)
    rows, curve = play("dynamics", "seed preset", 5 * 256, tmp_path)
    assert [row["condition"] for row in rows] == list(dynamics.STUDY.conditions)
    assert all(row["gait"] in list(GaitClass) for row in rows)
    assert rows[0]["entropy"] > rows[-1]["entropy"] - 1.0
    assert curve[-1]["timesteps"] == 5 * 256


@pytest.mark.parametrize("arm", ["entropy 0.001, LayerNorm", *kneeling.LEVERS])
def test_kneeling_looks_at_five_moments(arm: str, tmp_path: Path) -> None:
    rows, _ = play("kneeling", arm, 5 * 2048, tmp_path)
    assert {rows[0][column] for column in kneeling.STUDY.classes} <= set(GaitClass)
    assert rows[0]["gait"] == rows[0]["after_100_%"]


def test_statistics_has_a_row_for_each_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(DEFAULT, evaluation_interval=1, evaluation_episodes=1)
    monkeypatch.setattr(inference, "DEFAULT", small)
    rows, _ = play("statistics", "default preset", 8192, tmp_path)
    assert [row["condition"] for row in rows] == list(inference.STUDY.conditions)


@pytest.mark.parametrize(
    ("arm", "timesteps"),
    [
        ("PPO", 8192),
        ("GRPO, 8 from the start", 2_000),
        ("GRPO, 8 mid-episode, 32 steps", 2_000),
        ("TRPO", 2_048),
        ("DQN, 3 torques a joint", 100),
        ("SAC", 60),
    ],
)
def test_algorithms_have_a_curve(arm: str, timesteps: int, tmp_path: Path) -> None:
    rows, curve = play("algorithms", arm, timesteps, tmp_path)
    assert rows[0]["best"] == max(point["return"] for point in curve)
    assert rows[0]["timesteps"] == curve[-1]["timesteps"]
    assert rows[0]["at_1000000"] is None
    assert 1 <= len(curve) <= 5


def test_a_curve_is_read_off_where_it_has_been() -> None:
    curve = [
        {"timesteps": 10, "return": 1.0},
        {"timesteps": 20, "return": 2.0},
        {"timesteps": 95, "return": 3.0},
    ]
    read_off = algorithms.read_off
    assert read_off(curve, "timesteps", 5) is None
    assert read_off(curve, "timesteps", 15) == 1.5
    assert read_off(curve, "timesteps", 35) == 2.2
    assert read_off(curve, "timesteps", 97) == 3.0
    assert read_off(curve, "timesteps", 100) is None


@pytest.mark.parametrize("arm", [hardcore.NOTEBOOK, hardcore.FORGOT, hardcore.ALL, hardcore.BOTH])
def test_hardcore_scores_the_best_model(
    arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(hardcore.ARMS[arm], evaluation_interval=1, evaluation_episodes=1)
    monkeypatch.setattr(hardcore, "ARMS", {arm: small})
    rows, _ = play(hardcore.STUDY.name, arm, 8192, tmp_path)
    assert rows[0]["return"] < 50.0
