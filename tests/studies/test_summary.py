import dataclasses
from pathlib import Path

import pytest
from test_runner import STUDY

from bipedal.studies.page import write_page
from bipedal.studies.study import Claim, Measure, Row
from bipedal.studies.summary import summarise_study

CLAIMS = (
    Claim("a is higher than b", "return", more=("a",), less=("b",)),
    Claim("b is higher than a", "return", more=("b",), less=("a",)),
    Claim("a differs from itself", "return", more=("a",), less=("a",)),
    Claim("c is higher than a", "return", more=("c",), less=("a",)),
)
MEASURED = dataclasses.replace(
    STUDY,
    claims=CLAIMS,
    measures=(Measure("return", "return"), Measure("walks", "walks", "share")),
    classes=("gait",),
)
ROWS: list[Row] = [
    {"condition": name, "arm": name, "seed": 1000 + i, "status": "done", "return": value + i,
     "walks": walks, "gait": "walking" if walks else "fallen"}
    for name, value, walks in (("a", 200.0, True), ("b", 100.0, False))
    for i in range(8)
]  # fmt: skip
FAILED: Row = {"condition": "b", "arm": "b", "seed": 1008, "status": "failed", "error": "so"}


def test_verdicts_follow_the_interval() -> None:
    verdicts = [claim["verdict"] for claim in summarise_study(MEASURED, ROWS)["claims"]]
    assert verdicts == ["supported", "contradicted", "not supported", "not measured"]


def test_three_seeds_are_too_few_for_a_verdict() -> None:
    few = [row for row in ROWS if row["seed"] < 1003]
    assert summarise_study(MEASURED, few)["claims"][0]["verdict"] == "too few seeds"


def test_trials_that_are_all_alike_show_nothing_and_have_no_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alike = [{**row, "return": 5.0} for row in ROWS]
    claim = summarise_study(MEASURED, alike)["claims"][0]
    assert (claim["verdict"], claim["probability"]) == ("not supported", None)
    few = [row for row in alike if row["seed"] < 1003]
    assert summarise_study(MEASURED, few)["claims"][0]["verdict"] == "too few seeds"
    page = write_page(MEASURED, alike, [], "bipedal study toy", {}).read_text()
    assert "| a is higher than b | **not supported** | no two trials differ |" in page
    assert "| c is higher than a | **not measured** |  |" in page


def test_estimates_and_failures_by_condition() -> None:
    found = summarise_study(MEASURED, [*ROWS, FAILED])["conditions"]
    assert found["a"]["return"]["value"] == pytest.approx(203.5)
    assert found["a"]["return"]["low"] < 203.5 < found["a"]["return"]["high"]
    assert found["a"]["walks"]["value"] == found["a"]["walks"]["high"] == 1.0
    assert found["a"]["walks"]["low"] == pytest.approx(0.6756, abs=1e-4)
    assert (found["b"]["done"], found["b"]["failed"]) == (8, 1)


def test_what_no_trial_reached_has_no_estimate() -> None:
    rows: list[Row] = [{**ROWS[0], "return": None}]
    assert summarise_study(MEASURED, rows)["conditions"]["a"]["return"] is None


def test_a_page_tells_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    points: list[Row] = [
        {"arm": arm, "seed": seed, "timesteps": t, "seconds": t / 10, "return": t * 2.0}
        for arm in ("a", "b") for seed in (1000, 1001) for t in (1, 5, 9)
    ]  # fmt: skip
    page = write_page(MEASURED, [*ROWS, FAILED], points, "bipedal study toy", {}).read_text()
    folder = Path("results/studies/toy")
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "trials.csv", "curves.csv", "summary.json", "conditions.png", "gait.png",
        "curves.png",
    }  # fmt: skip
    assert "| a is higher than b | **supported** | 1.00 [1.00, 1.00] |" in page
    assert "| c is higher than a | **not measured** |  |" in page
    assert "| a | 8 | 203.5 [" in page
    assert "100 % [68 %, 100 %]" in page
    assert "| b | 100.0 | 101.0 |" in page
    assert page.count("failed |") == 1
    assert "`bipedal study toy`" in page
    assert (folder / "trials.csv").read_text().count("\n") == 1 + 17
    again = write_page(MEASURED, [*ROWS, FAILED], points, "bipedal study toy", {}).read_text()
    assert again == page
