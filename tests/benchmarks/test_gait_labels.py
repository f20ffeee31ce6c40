"""The classifier of gaits against what a person said of 63 robots."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from gait_labels import TABLE, compare, gait_of  # noqa: E402

from bipedal.evaluation.gait import Legwork, Posture  # noqa: E402
from bipedal.tables import read_table  # noqa: E402

ROWS = read_table(ROOT / TABLE)


def agreement(label: str) -> float:
    counts = compare(ROWS)[label]
    return sum(n for (seen, said), n in counts.items() if seen == said) / counts.total()


def test_enough_robots_were_looked_at() -> None:
    assert len({row["policy"] for row in ROWS}) == len(ROWS) >= 60
    assert {row["posture"] for row in ROWS} == {posture.value for posture in Posture}
    assert {row["legwork"] for row in ROWS} == {legwork.value for legwork in Legwork} | {None}


def test_it_says_of_their_postures_what_a_person_said() -> None:
    assert agreement("posture") == 1.0


def test_it_mostly_says_of_their_legs_what_a_person_said() -> None:
    assert agreement("legwork") >= 0.85


def test_the_robots_that_kneel_are_far_from_those_that_do_not() -> None:
    """No share between 0.15 and 0.20 of the time with a shin on the ground, but for crawlers."""
    shares = [gait_of(row).lying_share for row in ROWS if gait_of(row).knee_down_share < 0.3]
    assert not [share for share in shares if 0.15 < share < 0.20]
