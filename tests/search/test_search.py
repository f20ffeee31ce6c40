"""Candidates that do well, badly or not at all, and searches that are cut off and resumed."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bipedal.cli import main
from bipedal.config import TrainConfig
from bipedal.config_file import read_config_file
from bipedal.errors import RunFailedError, UserError
from bipedal.search import search
from bipedal.search.candidate import CANDIDATE, WORST, area, configuration, describe
from bipedal.search.search import run_search
from bipedal.studies.configuration import fingerprint, settings_of
from bipedal.studies.executors import TrialFailedError
from bipedal.studies.runner import run_study
from bipedal.studies.study import Trial
from bipedal.tables import read_table

pytest.importorskip("optuna")

SPACE = """
epochs = { low = 1, high = 12 }
hidden_sizes = { choices = [[32, 32], [64, 64]] }
"""
BEST_EPOCHS = 3


class Fake:
    """An executor that answers at once: fewer epochs than three or more are worse."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs
        self.ran: list[tuple[str, int]] = []
        self.stop_at: int | None = None
        self.failing = False

    def run(self, name: str, trial: Trial) -> dict[str, Any]:
        assert name == "search"
        if len(self.ran) == self.stop_at:
            (trial.folder / "run").mkdir()
            raise KeyboardInterrupt
        self.ran.append((trial.arm, trial.seed))
        (trial.folder / "run").mkdir()  # refused where a candidate that was cut off has left one
        if self.failing:
            raise TrialFailedError("the ground opened")
        epochs = json.loads(trial.arm).get("epochs", TrainConfig().epochs)
        value = 100.0 - abs(epochs - BEST_EPOCHS) + trial.seed
        settings = settings_of(CANDIDATE, trial.arm, trial.timesteps, trial.cores)
        return {
            "rows": [{"condition": trial.arm, "area": value, "best": value + 1}],
            "configuration": fingerprint(settings),
        }

    def close(self) -> None: ...


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


def use(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> Fake:
    monkeypatch.setattr(search, "make_executor", lambda address, jobs, cores: fake)
    return fake


def test_the_best_candidate_can_be_trained_with(
    tmp_path: Path, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = use(monkeypatch, Fake())
    best = run_search("default", tmp_path / "out", space=space, candidates=25, seeds=3)
    rows = read_table(tmp_path / "out" / "trials.csv")
    assert len(rows) == 25
    assert rows[0]["epochs"] == BEST_EPOCHS
    assert rows[0]["value"] == 101.0  # the mean of 100, 101 and 102
    assert rows[0]["best"] == 102.0
    assert {row["status"] for row in rows} == {"done", "pruned"}
    own = next(row for row in rows if row["number"] == 0)
    assert (own["epochs"], own["value"]) == (None, 101.0 - abs(TrainConfig().epochs - BEST_EPOCHS))
    # Those given up had a seed or two; the others have all three.
    assert {row["seeds"] for row in rows if row["status"] == "done"} == {3}
    assert {row["seeds"] for row in rows if row["status"] == "pruned"} <= {1, 2}
    assert len(fake.ran) == sum(row["seeds"] for row in rows)
    config = TrainConfig(**{**vars(TrainConfig()), **read_config_file(best)})
    sizes = tuple(json.loads(rows[0]["hidden_sizes"]))
    changed = {**vars(TrainConfig()), "epochs": BEST_EPOCHS, "hidden_sizes": sizes}
    assert config == TrainConfig(**changed)


@pytest.mark.parametrize("done", [0, 1, 2, 5])
def test_a_search_that_is_cut_off_goes_on(
    done: int, tmp_path: Path, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"space": space, "candidates": 6, "seeds": 1}
    use(monkeypatch, Fake()).stop_at = done
    with pytest.raises(KeyboardInterrupt):
        run_search("default", out, **options)
    assert len(list((out / "trials").glob("*.json"))) == done
    with pytest.raises(UserError, match="--resume"):
        run_search("default", out, **options)
    with pytest.raises(UserError, match="other settings: cores 1, now 2"):
        run_search("default", out, **options, cores=2, resume=True)
    again = use(monkeypatch, Fake())
    run_search("default", out, **options, resume=True)
    assert len(again.ran) == 6 - done
    rows = read_table(out / "trials.csv")
    assert sorted(row["number"] for row in rows) == list(range(6))


def test_candidates_at_once_are_different_ones(
    tmp_path: Path, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Fake(jobs=3))
    run_search("default", tmp_path / "out", space=space, candidates=12, seeds=1)
    rows = read_table(tmp_path / "out" / "trials.csv")
    assert sorted(row["number"] for row in rows) == list(range(12))


def test_values_that_do_not_go_together_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "space.toml"
    path.write_text("minibatch_size = { choices = [2048, 1000000000] }")
    fake = use(monkeypatch, Fake())
    out = tmp_path / "out"
    run_search("default", out, space=path, candidates=8, seeds=1)
    rows = read_table(out / "trials.csv")
    failed = [row for row in rows if row["status"] == "failed"]
    assert failed
    assert all("--minibatch-size" in row["error"] for row in failed)
    assert len(fake.ran) == 8 - len(failed)


def test_a_search_in_which_nothing_runs_fails(
    tmp_path: Path, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Fake()).failing = True
    with pytest.raises(RunFailedError, match="every candidate failed, the first with: the ground"):
        run_search("default", tmp_path / "out", space=space, candidates=3)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"number": 1}', "[" * 100_000])
def test_a_damaged_record_is_named(
    text: str, tmp_path: Path, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Fake())
    out = tmp_path / "out"
    options: dict[str, Any] = {"space": space, "seeds": 1}
    run_search("default", out, candidates=2, **options)
    (out / "trials" / "00001.json").write_text(text)
    with pytest.raises(RunFailedError, match=r"00001\.json is damaged"):
        run_search("default", out, candidates=3, **options, resume=True)


def test_a_preset_that_needs_a_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--init-from"):
        run_search("hardcore-polish", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_search_tries_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="search is no study"):
        run_study("search", out=tmp_path)


def test_the_area_rewards_what_learns_sooner_and_what_ends_higher() -> None:
    curve = [
        {"timesteps": 20, "seconds": 0.0, "return": 100.0},
        {"timesteps": 50, "seconds": 0.0, "return": 50.0},  # the best so far counts
        {"timesteps": 80, "seconds": 0.0, "return": 300.0},
    ]
    # 20 of WORST, 60 of 100, and 20 of 300, though the run stopped at 80.
    assert area(curve, 100) == pytest.approx((20 * WORST + 60 * 100 + 20 * 300) / 100)
    assert area([], 100) == WORST
    assert area([{**curve[0], "timesteps": 120}], 100) == WORST  # rounded up to whole iterations


def test_a_candidate_is_its_preset_with_changes() -> None:
    arm = describe("default", {"epochs": 3, "hidden_sizes": (32, 32)})
    config = configuration(arm, 100_000)
    assert (config.epochs, config.hidden_sizes) == (3, (32, 32))
    assert (config.total_timesteps, config.final_episodes) == (100_000, 0)
    assert config.gamma == TrainConfig().gamma


def test_the_command_trains_for_real(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["search", "--out", str(out), "--candidates", "2", "--seeds", "1"]
    assert main([*command, "--timesteps", "8192", "--jobs", "2"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "best.toml")
    assert tomllib.loads((out / "best.toml").read_text())["preset"] == "default"
    rows = read_table(out / "trials.csv")
    assert [row["status"] for row in rows] == ["done", "done"]
    assert all(row["best"] < 0 for row in rows)
