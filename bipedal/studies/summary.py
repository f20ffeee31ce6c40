"""What a study's rows come to: estimates over seeds, and a verdict on each claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bipedal.studies.statistics import (
    CONFIDENCE,
    Estimate,
    Values,
    holm,
    middle,
    permutation_p,
    probability_of_improvement,
    share,
    sign_p,
    wins,
)
from bipedal.studies.study import Claim, Measure, Row, Study

FEWEST_SEEDS = 8
"""Of each condition, for a verdict: below this an exact test has hardly any power left once it is
corrected for the number of claims, and one odd seed decides."""


def values_of(rows: Sequence[Row], condition: str, column: str) -> Values:
    """A column of the trials that ended well and have it, one value a trial."""
    return np.array(list(_by_trial(rows, condition, column).values()))


def _by_trial(rows: Sequence[Row], condition: str, column: str) -> dict[tuple[str, int], float]:
    """The same by arm and seed."""
    return {
        (row["arm"], row["seed"]): float(row[column])
        for row in rows
        if row["condition"] == condition and row.get(column) is not None
    }


def summarise_study(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Estimates by condition and verdicts by claim, as plain types for JSON."""
    present = [name for name in study.shown if any(row["condition"] == name for row in rows)]
    return {
        "study": study.name,
        "conditions": {
            name: {
                "done": sum(r["condition"] == name and r["status"] == "done" for r in rows),
                "failed": sum(r["condition"] == name and r["status"] == "failed" for r in rows),
                **{measure.column: estimate(measure, rows, name) for measure in study.measures},
            }
            for name in present
        },
        "claims": _judge_all(study.claims, rows),
    }


def estimate(measure: Measure, rows: Sequence[Row], condition: str) -> dict[str, Any] | None:
    """A measure of a condition over its seeds; None if no trial has it."""
    values = values_of(rows, condition, measure.column)
    if not len(values):
        return None
    if measure.statistic == "share":
        return share(values)._asdict()
    value, low, high = middle(values)
    least, most = measure.bounds
    if low is not None and high is not None:
        low, high = max(low, least), min(high, most)
    return Estimate(value, low, high)._asdict()


def _judge_all(claims: Sequence[Claim], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Chance, exact p and, corrected for the number of claims that could be tested, a verdict."""
    judged = [_test(claim, rows) for claim in claims]
    tested = [found for found in judged if found["p"] is not None]
    for found, corrected in zip(tested, holm([found["p"] for found in tested]), strict=True):
        found["p_holm"] = corrected
        if found["seeds"] < FEWEST_SEEDS:
            found["verdict"] = "too few seeds"
        elif corrected >= 1.0 - CONFIDENCE:
            found["verdict"] = "not supported"
        else:
            above = found["probability"]["value"] > 0.5
            found["verdict"] = "supported" if above else "contradicted"
    return judged


def _test(claim: Claim, rows: Sequence[Row]) -> dict[str, Any]:
    """What the rows say of a claim, before it gets its verdict."""
    found: dict[str, Any] = {"claim": claim.text, "verdict": "not measured", "seeds": 0}
    found |= {"probability": None, "p": None, "p_holm": None}
    columns = [
        (_by_trial(rows, more, claim.measure), _by_trial(rows, less, claim.measure))
        for more, less in zip(claim.more, claim.less, strict=True)
    ]
    if claim.paired:
        ((ours, theirs),) = columns
        both = [trial for trial in ours if trial in theirs]
        if both:
            better = wins(*(np.array([of[trial] for trial in both]) for of in (ours, theirs)))
            found |= {"seeds": len(both), "probability": share(better)._asdict()}
            found["p"] = sign_p(better)
        return found
    pairs = [(np.array(list(x.values())), np.array(list(y.values()))) for x, y in columns]
    seeds = min(len(values) for pair in pairs for values in pair)
    if seeds:
        found |= {"seeds": seeds, "probability": probability_of_improvement(pairs)._asdict()}
        found["p"] = permutation_p(pairs)
    return found
