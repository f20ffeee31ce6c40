"""What a study leaves for people: tables as CSV and JSON, and a page with figures.

Its folder holds trials.csv (every row, failures too), curves.csv, configurations.json (what the
hashes in trials.csv stand for), summary.json, README.md and its figures.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bipedal.files import atomic_write
from bipedal.studies.figures import draw_study
from bipedal.studies.study import Measure, Row, Study
from bipedal.studies.summary import FEWEST_SEEDS, summarise_study
from bipedal.tables import csv_text

if TYPE_CHECKING:
    from bipedal.studies.records import Collected


def write_page(study: Study, folder: Path, found: Collected, made: Mapping[str, Any]) -> Path:
    """Write everything; returns the page. `made` holds the `command` that makes the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, points, settings = found
    summary = {**made, **summarise_study(study, rows)}
    figures = draw_study(study, rows, points)
    texts = {"trials.csv": csv_text(rows), "summary.json": json.dumps(summary, indent=1) + "\n"}
    if settings:
        texts["configurations.json"] = json.dumps(settings, indent=1, sort_keys=True) + "\n"
    if points:
        texts["curves.csv"] = csv_text(points)
    texts["README.md"] = page(study, rows, summary, list(figures))
    files = {name: text.encode() for name, text in texts.items()}
    for name, figure in figures.items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=100, metadata={"Software": None})
        files[name] = picture.getvalue()
    atomic_write(*((folder / name, data) for name, data in files.items()))
    return folder / "README.md"


def page(study: Study, rows: Sequence[Row], summary: dict[str, Any], figures: Sequence[str]) -> str:
    """The page, in Markdown."""
    failed = sum(row["status"] == "failed" for row in rows)
    seeds = sorted({row["seed"] for row in rows})
    parts = [
        f"# {study.title}",
        f"**Claimed.** {study.claimed}",
        f"**Measured.** {study.method}",
        f"Seeds {seeds[0]} to {seeds[-1]}; trials that failed: {failed}. Made by "
        f"`{summary['command']}`; every row is in [trials.csv](trials.csv). {_origin(rows)}",
        *(_verdict(summary["claims"]) if study.claims else ()),
        "## By condition",
        _conditions(study, summary["conditions"]),
        "Interquartile means over seeds with Student's 95 % intervals; shares (in %) with "
        "Wilson's. Where all seeds have one value there is no interval.",
        *(f"![{name.removesuffix('.png')}]({name})" for name in figures),
        "## Every seed",
        _seeds(study, rows),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(rows: Sequence[Row]) -> str:
    """With which configurations and source the trials were run."""
    if not all(row.get("configuration") for row in rows):
        return "These trials were run before configurations and commits were recorded."
    commits = sorted({row.get("commit") or "outside a repository" for row in rows})
    return (
        "Their full configurations are in [configurations.json](configurations.json); commit: "
        f"{', '.join(commits)}."
    )


def _verdict(claims: Sequence[dict[str, Any]]) -> list[str]:
    tested = sum(claim["p"] is not None for claim in claims)
    return [
        "## Verdict",
        _claims(claims),
        "The chance is that of a random seed of the one condition to exceed a random seed of the "
        "other, averaged where there are several pairs, with Newcombe's 95 % interval; where both "
        "conditions are of the same runs it is the share of runs, with Wilson's. p is exact and "
        "two-sided: of the permutation test, or of the sign test for the same runs; then with "
        f"Holm's correction for the number of claims, {tested}. Below 0.05 a claim is supported or "
        f"contradicted; with fewer than {FEWEST_SEEDS} seeds of a condition there is no verdict.",
    ]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))


def _claims(claims: Sequence[dict[str, Any]]) -> str:
    lines = []
    for claim in claims:
        said = ["", "", ""]
        if claim["p"] is not None:
            chance = claim["probability"]
            said = [
                f"{chance['value']:.2f} [{chance['low']:.2f}, {chance['high']:.2f}]",
                _small(claim["p"]),
                _small(claim["p_holm"]),
            ]
        lines.append((claim["claim"], f"**{claim['verdict']}**", str(claim["seeds"]), *said))
    return _table(("claim", "verdict", "seeds", "chance", "p", "p, corrected"), lines)


def _small(p: float) -> str:
    """A p-value to two digits that say something."""
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _number(value: float, measure: Measure) -> str:
    if measure.statistic == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.{measure.digits}f}"


def _estimate(found: Mapping[str, Any] | None, measure: Measure) -> str:
    if found is None:
        return ""
    text = _number(found["value"], measure)
    if found["low"] is not None:
        text += f" [{_number(found['low'], measure)}, {_number(found['high'], measure)}]"
    return text


def _conditions(study: Study, conditions: dict[str, dict[str, Any]]) -> str:
    lines = [
        [
            name,
            str(found["done"]),
            *(_estimate(found[measure.column], measure) for measure in study.measures),
        ]
        for name, found in conditions.items()
    ]
    return _table(("condition", "seeds", *(measure.title for measure in study.measures)), lines)


def _seeds(study: Study, rows: Sequence[Row]) -> str:
    """The first measure of every trial: a line a condition, a column a seed."""
    seeds = sorted({row["seed"] for row in rows})
    measure = study.measures[0]
    lines = []
    for name in study.shown:
        found = {row["seed"]: row for row in rows if row["condition"] == name}
        if found:
            lines.append([name, *(_cell(found.get(seed), measure) for seed in seeds)])
    return f"{measure.title}:\n\n" + _table(("condition", *map(str, seeds)), lines)


def _cell(row: Row | None, measure: Measure) -> str:
    if row is None:
        return ""
    if row["status"] == "failed":
        return "failed"
    value = row[measure.column]
    if value is None:
        return ""
    if measure.statistic == "share":
        return "yes" if value else "no"
    return f"{value:.{measure.digits}f}"
