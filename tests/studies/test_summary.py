import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_runner import STUDY

from bipedal.studies.page import write_page
from bipedal.studies.records import Collected
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


def judge(claims: Sequence[Claim], rows: Sequence[Row]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = summarise_study(
        dataclasses.replace(MEASURED, claims=claims), rows
    )["claims"]
    return found


def test_verdicts_follow_the_corrected_p() -> None:
    claims = judge(CLAIMS, ROWS)
    verdicts = [claim["verdict"] for claim in claims]
    assert verdicts == ["supported", "contradicted", "not supported", "not measured"]
    # Two groups of eight that lie apart: 2 of C(16, 8) deals. Three claims could be tested.
    assert claims[0]["p"] == pytest.approx(2 / 12870)
    assert claims[0]["p_holm"] == pytest.approx(3 * 2 / 12870)
    assert claims[2]["p_holm"] == 1.0
    assert claims[3]["p"] is claims[3]["p_holm"] is None


def test_the_number_of_claims_counts() -> None:
    """One of b's eight is higher than all of a's and one than half of them: U = 64 - 8 - 4."""
    others = {1000: 300.0, 1001: 203.5}
    rows: list[Row] = [
        {**row, "return": others.get(row["seed"], row["return"])}
        for row in ROWS
        if row["condition"] == "b"
    ]
    rows += ROWS[:8]
    alone = judge(CLAIMS[:1], rows)[0]
    together = judge([CLAIMS[0]] * 3, rows)[0]
    assert (alone["verdict"], together["verdict"]) == ("supported", "not supported")
    assert alone["p"] == alone["p_holm"] == pytest.approx(0.0379, abs=1e-4)
    assert together["p_holm"] == pytest.approx(3 * alone["p"])


@pytest.mark.parametrize(("seeds", "verdict"), [(7, "too few seeds"), (8, "supported")])
def test_seven_seeds_are_too_few_for_a_verdict(seeds: int, verdict: str) -> None:
    few = [row for row in ROWS if row["condition"] == "a" or row["seed"] < 1000 + seeds]
    claim = judge(CLAIMS[:1], few)[0]
    assert (claim["verdict"], claim["seeds"]) == (verdict, seeds)
    assert claim["p"] < 0.01


def test_conditions_of_the_same_runs_are_compared_run_by_run() -> None:
    """Each run is a little better later, though runs differ by far more than that."""
    rows = [
        {"condition": name, "arm": "x", "seed": i, "status": "done", "return": 50.0 * i + add}
        for name, add in (("late", 1.0), ("early", 0.0))
        for i in range(8)
    ]  # fmt: skip
    apart = Claim("late is better", "return", more=("late",), less=("early",))
    paired = dataclasses.replace(apart, paired=True)
    assert judge([apart], rows)[0]["verdict"] == "not supported"
    found = judge([paired], rows[:-1])[0]
    assert (found["verdict"], found["seeds"]) == ("too few seeds", 7)
    found = judge([paired], rows)[0]
    assert found["verdict"] == "supported"
    assert found["p"] == pytest.approx(2 / 2**8)
    assert found["probability"]["low"] == pytest.approx(0.6756, abs=1e-4)


def write(folder: Path, rows: Sequence[Row], points: Sequence[Row] = (), **settings: Any) -> str:
    found = Collected(list(rows), list(points), settings)
    return write_page(MEASURED, folder, found, {"command": "bipedal study toy"}).read_text()


def test_trials_that_are_all_alike_show_nothing(tmp_path: Path) -> None:
    alike = [{**row, "return": 5.0} for row in ROWS]
    claim = judge(CLAIMS, alike)[0]
    assert (claim["verdict"], claim["p"]) == ("not supported", 1.0)
    page = write(tmp_path, alike)
    assert (
        "| a is higher than b | **not supported** | 8 | 0.50 [0.25, 0.75] | 1.00 | 1.00 |" in page
    )
    assert "| c is higher than a | **not measured** | 0 |  |  |  |" in page
    assert "| a | 8 | 5.0 | 100 % [68 %, 100 %] |" in page


def test_estimates_and_failures_by_condition() -> None:
    found = summarise_study(MEASURED, [*ROWS, FAILED])["conditions"]
    assert found["a"]["return"]["value"] == pytest.approx(203.5)
    assert found["a"]["return"]["low"] < 203.5 < found["a"]["return"]["high"]
    assert found["a"]["walks"]["value"] == found["a"]["walks"]["high"] == 1.0
    assert found["a"]["walks"]["low"] == pytest.approx(0.6756, abs=1e-4)
    assert (found["b"]["done"], found["b"]["failed"]) == (8, 1)


def test_an_interval_stays_where_its_measure_can_be() -> None:
    rows = [{**row, "return": 0.1 * (row["seed"] - 1000)} for row in ROWS]
    for bounds, ends in (((-1.0, 1.0), (0.0992, 0.6008)), ((0.2, 0.6), (0.2, 0.6))):
        study = dataclasses.replace(MEASURED, measures=(Measure("return", "", bounds=bounds),))
        found = summarise_study(study, rows)["conditions"]["a"]["return"]
        assert (found["low"], found["high"]) == pytest.approx(ends, abs=1e-3)


def test_what_no_trial_reached_has_no_estimate() -> None:
    rows: list[Row] = [{**ROWS[0], "return": None}]
    assert summarise_study(MEASURED, rows)["conditions"]["a"]["return"] is None


def test_a_page_tells_all(tmp_path: Path) -> None:
    points: list[Row] = [
        {"arm": arm, "seed": seed, "timesteps": t, "seconds": t / 10, "return": t * 2.0}
        for arm in ("a", "b") for seed in (1000, 1001) for t in (1, 5, 9)
    ]  # fmt: skip
    made = {"configuration": "sha256:ab", "commit": "c0ffee+"}
    rows = [{**row, **made} for row in (*ROWS, FAILED)]
    folder = tmp_path / "toy"
    page = write(folder, rows, points, **{"sha256:ab": {"epochs": 3}})
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "trials.csv", "curves.csv", "summary.json", "conditions.png", "gait.png",
        "curves.png", "configurations.json",
    }  # fmt: skip
    verdict = "| a is higher than b | **supported** | 8 | 1.00 [0.76, 1.00] | 2e-04 | 5e-04 |"
    assert verdict in page
    assert "Holm's correction for the number of claims, 3." in page
    assert "commit: c0ffee+." in page
    assert json.loads((folder / "configurations.json").read_text())["sha256:ab"] == {"epochs": 3}
    assert "| a | 8 | 203.5 [" in page
    assert "100 % [68 %, 100 %]" in page
    assert "| b | 100.0 | 101.0 |" in page
    assert page.count("failed |") == 1
    assert "`bipedal study toy`" in page
    assert (folder / "trials.csv").read_text().count("\n") == 1 + 17
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write(folder, rows, points, **{"sha256:ab": {"epochs": 3}})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_page_of_old_tables_says_what_it_does_not_know(tmp_path: Path) -> None:
    assert "before configurations and commits were recorded" in write(tmp_path, ROWS)


def test_a_study_without_claims_has_no_verdict(tmp_path: Path) -> None:
    study = dataclasses.replace(MEASURED, claims=())
    made = {"command": "bipedal study toy"}
    page = write_page(study, tmp_path, Collected(list(ROWS), [], {}), made).read_text()
    assert "Verdict" not in page
