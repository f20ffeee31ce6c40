"""Many runs side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Captured, assert_refused, strict_json

from bipedal import cli

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.fixture
def three_runs(empty_directory: None, tiny_run: Path) -> Path:
    """A scored run with a name to quote, one that is better, and one that has only begun."""
    for name in ("first", "better", "begun"):
        shutil.copytree(tiny_run, Path("runs") / name)
    score = {"mean_return": 120.0, "interval_return": [110.0, 130.0], "fall_rate": 0.25}
    Path("runs/first/score.json").write_text(json.dumps({**score, "gait": {"class": "walking"}}))
    Path("runs/better/score.json").write_text(json.dumps({**score, "mean_return": 300.0}))
    for name in ("metrics.csv", "evaluations.csv"):
        Path("runs/begun", name).unlink()
    return Path("runs")


@pytest.mark.usefixtures("three_runs")
def test_runs_are_listed_the_best_first(capsys: Captured) -> None:
    assert cli.main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "better", "first", "begun"]
    assert "120.0 [110.0, 130.0]  25.0%  walking" in lines[2]
    assert "minibatch_size=64" in lines[2]
    assert "384" in lines[2] and "384" not in lines[3].split("total_timesteps")[0]


def test_runs_are_one_json_object(capsys: Captured, three_runs: Path) -> None:
    assert cli.main(["runs", str(three_runs), "--json"]) == 0
    better, first, begun = strict_json(capsys.readouterr().out)["runs"]
    assert (better["run"], better["mean_return"], better["gait"]) == ("better", 300.0, None)
    assert first["interval_return"] == [110.0, 130.0]
    assert first["timesteps"] == 384 and first["best_evaluation"] is not None
    assert begun["mean_return"] is begun["best_evaluation"] is begun["timesteps"] is None
    assert first["changes"]["hidden_sizes"] == "[8, 8]" and "gamma" not in first["changes"]


@pytest.mark.parametrize("damage", ['{"mean_return": "x\\n", "gait": 3}', "[1]", "{", "NaN"])
def test_damaged_files_are_listed_as_unknown(
    capsys: Captured, three_runs: Path, damage: str
) -> None:
    (three_runs / "first" / "score.json").write_text(damage)
    (three_runs / "begun" / "config.json").write_text('{"config": {"seed": {"a\\nb": 1}}}')
    assert cli.main(["runs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert cli.main(["runs", "--json"]) == 0
    strict_json(capsys.readouterr().out)


def test_without_a_run_there_is_nothing_to_list(capsys: Captured) -> None:
    assert "runs holds no run" in assert_refused(capsys, "runs")
    assert "holds no run" in assert_refused(capsys, "runs", "elsewhere")
