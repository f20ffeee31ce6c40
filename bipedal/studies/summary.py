"""What a study's rows come to: estimates over seeds, and a verdict on each claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bipedal.evaluation.score import interquartile_mean
from bipedal.studies.statistics import (
    Values,
    bootstrap,
    matched_improvement,
    share,
)
from bipedal.studies.study import Claim, Measure, Row, Study

FEWEST_SEEDS = 4
"""Below this two groups that happen to lie apart would be a verdict."""


def values_of(rows: Sequence[Row], condition: str, column: str) -> Values:
    """A column of the trials that ended well and have it, one value a trial."""
    return np.array(
        [
            float(row[column])
            for row in rows
            if row["condition"] == condition and row.get(column) is not None
        ]
    )


def summarise_study(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Estimates by condition and verdicts by claim, as plain types for JSON."""
    present = [name for name in study.shown if any(row["condition"] == name for row in rows)]
    return {
        "study": study.name,
        "conditions": {
            name: {
                "done": sum(r["condition"] == name and r["status"] == "done" for r in rows),
                "failed": sum(r["condition"] == name and r["status"] == "failed" for r in rows),
                **{measure.column: _estimate(measure, rows, name) for measure in study.measures},
            }
            for name in present
        },
        "claims": [_judge(claim, rows) for claim in study.claims],
    }


def _estimate(measure: Measure, rows: Sequence[Row], condition: str) -> dict[str, float] | None:
    values = values_of(rows, condition, measure.column)
    if not len(values):
        return None
    if measure.statistic == "share":
        return dict(share(values)._asdict())
    return dict(bootstrap(interquartile_mean, values)._asdict())


def _judge(claim: Claim, rows: Sequence[Row]) -> dict[str, Any]:
    """Probability that a seed of the one condition has more than one of the other; a word on it."""
    samples = [
        values_of(rows, condition, claim.measure)
        for pair in zip(claim.more, claim.less, strict=True)
        for condition in pair
    ]
    if not all(len(sample) for sample in samples):
        return {"claim": claim.text, "verdict": "not measured", "probability": None}
    few = min(len(sample) for sample in samples) < FEWEST_SEEDS
    if len({float(value) for sample in samples for value in sample}) == 1:
        # A bootstrap of ties would be certain of one half.
        verdict = "too few seeds" if few else "not supported"
        return {"claim": claim.text, "verdict": verdict, "probability": None}
    chance = bootstrap(matched_improvement, *samples)
    if few:
        verdict = "too few seeds"
    elif chance.low > 0.5:
        verdict = "supported"
    elif chance.high < 0.5:
        verdict = "contradicted"
    else:
        verdict = "not supported"
    return {"claim": claim.text, "verdict": verdict, "probability": dict(chance._asdict())}
