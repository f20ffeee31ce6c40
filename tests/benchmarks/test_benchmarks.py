"""The benchmarks that compare engines, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bipedal.checkpoint import load_model
from bipedal.conformance.answer import Difference
from bipedal.walker import ENV_IDS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(tmp_path: Path, name: str, *arguments: str) -> Any:
    out = tmp_path / "out.json"
    command = [sys.executable, str(BENCHMARKS / name), *arguments, "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return json.loads(out.read_text())


def test_a_difference_counts_against_its_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from tally import Tally

    tally, other = Tally(), Tally()
    tally.count(3, 100, None)
    other.count(4, 50, Difference("reward", 1.0, 1.5))
    other.count(5, 0, Difference("hull angle", 0.0, -0.0))
    tally.add(other)
    assert (tally.episodes, tally.identical_episodes) == (3, 1)
    assert (tally.steps, tally.identical_steps) == (150, 149)
    assert tally.first_differences[0] == {
        "seed": 4, "step": 50, "quantity": "reward", "value": 1.0, "expected": 1.5, "size": 0.5,
    }  # fmt: skip


def test_gpu_dry_run_compares_and_measures(tmp_path: Path) -> None:
    report = run(tmp_path, "gpu.py", "--dry-run")
    assert report["finished"] is True
    assert [(row["env_id"], row["actions"]) for row in report["same_bits"]] == [
        (env_id, kind) for kind in ("held", "policy") for env_id in ENV_IDS
    ]
    for row in report["same_bits"]:
        assert row["episodes"] == row["identical_episodes"] == 2
        assert row["steps"] == row["identical_steps"] > 50
    assert [row["num_envs"] for row in report["speed"]] == [16] * 3 + [32] * 3 + [16] * 3
    assert all(row["steps_per_second"] > 0 for row in report["speed"])
    parts = [rows for rows in report.values() if isinstance(rows, list)]
    assert not [row["error"] for rows in parts for row in rows if "error" in row]
    assert report["tests"][0]["exit_code"] == 0
    assert [(row["env_id"], row["graphs"]) for row in report["phases"]] == [
        (env_id, graphs) for graphs in (True, False) for env_id in ENV_IDS
    ]
    for row in report["phases"]:
        spent = row["milliseconds"]
        assert 0.0 < spent["collector"] + spent["update"] < spent["learner"]
    assert [row["env_id"] for row in report["evaluation"]] == [*ENV_IDS, *ENV_IDS]
    assert [row["seed"] for row in report["walker"]] == [0, 1, 2]


def test_gpu_hardcore_dry_run_trains_seeds_in_three_stages(tmp_path: Path) -> None:
    models = tmp_path / "models"
    report = run(
        tmp_path, "gpu_hardcore.py", "--dry-run", "--seeds", "2", "--first-seed", "3",
        "--models", str(models),
    )  # fmt: skip
    assert sorted(row["seed"] for row in report["seeds"]) == [3, 4]
    for row in report["seeds"]:
        stages = [stage["stage"] for stage in row["stages"]]
        assert stages == ["hardcore", "hardcore-careful", "hardcore-polish"]
        for stage in row["stages"]:
            assert stage["timesteps"] == stage["curve"][-1][1] >= 4 * 16
        assert row["score"]["mean_length"] > 1
        assert load_model(row["model"]).actor.hidden_sizes == (16,)


@pytest.mark.reference
def test_parity_counts_episodes_and_steps(tmp_path: Path) -> None:
    report = run(tmp_path, "parity.py", "--behaviours", "falling", "held", "--episodes", "2")
    assert report["versions"]["box2d"]
    for env_id in ENV_IDS:
        counts = report[env_id]
        assert counts.keys() == {"together", "falling", "held"}
        assert counts["together"]["episodes"] == counts["together"]["identical_episodes"] == 4
        assert counts["together"]["steps"] == counts["together"]["identical_steps"] > 200
        assert counts["held"]["first_differences"] == []


def test_the_share_of_seeds_that_are_over_is_drawn(tmp_path: Path) -> None:
    table, picture = tmp_path / "trials.csv", tmp_path / "share.png"
    table.write_text("seed,wall_seconds\n1,30.0\n2,50.0\n3,\n4,40.0\n")
    command = [sys.executable, str(BENCHMARKS / "solved_share.py")]
    command += ["--table", str(table), "--out", str(picture)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    assert " 50 %    40.0 s" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
