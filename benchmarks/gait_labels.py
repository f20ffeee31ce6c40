"""Does the classifier of gaits say what a person says?

    python benchmarks/gait_labels.py                    compare it with results/gait-labels.csv
    python benchmarks/gait_labels.py NAME=MODEL ... --sheet sheet.png      draw policies to label

Each row of the table is an episode of a policy: its metrics, and what a person who looked at its
frames calls its posture and, where it is clear, its legwork. The second form plays the episodes,
draws a contact sheet, and prints their rows with the labels left empty.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bipedal.evaluation.gait import Gait
from bipedal.loading.load import load_policy
from bipedal.report.contact_sheet import draw_sheet, take_strip
from bipedal.tables import csv_text, read_table

TABLE = Path("results/gait-labels.csv")
LABELS = ("posture", "legwork")
SEED = 7


def gait_of(row: Mapping[str, Any]) -> Gait:
    """The metrics of a row."""
    values = {field.name: row[field.name] for field in fields(Gait)}
    metrics: dict[str, Any] = {k: math.nan if v is None else v for k, v in values.items()}
    return Gait(**metrics)


def compare(rows: Sequence[Mapping[str, Any]]) -> dict[str, Counter[tuple[str, str]]]:
    """Count (label, class) for each kind of label; rows without that label are left out."""
    return {
        label: Counter(
            (row[label], str(getattr(gait_of(row), label))) for row in rows if row[label]
        )
        for label in LABELS
    }


def draw(policies: Sequence[str], out: Path) -> None:
    """Play, draw and print."""
    strips, rows = [], []
    for item in policies:
        name, _, spec = item.partition("=")
        policy = load_policy(spec)
        strip = take_strip(policy, policy.env_id, SEED)
        gait = strip.gait
        caption = (
            f"{name}: return {strip.episodic_return:.0f}, {gait.gait_class}, {gait.posture} "
            f"({gait.hull_height:.2f} m, lying {gait.lying_share:.2f}), {gait.legwork}"
        )
        strips.append((caption, strip))
        metrics = {field.name: getattr(gait, field.name) for field in fields(Gait)}
        labels = dict.fromkeys(LABELS)
        rows.append({"policy": name, **labels, "return": strip.episodic_return, **metrics})
    draw_sheet(strips).save(out)
    print(csv_text(rows), end="")


def main() -> None:
    """Compare, or draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policies", nargs="*", metavar="NAME=MODEL")
    parser.add_argument("--sheet", type=Path, default=Path("sheet.png"))
    options = parser.parse_args()
    if options.policies:
        draw(options.policies, options.sheet)
        return
    for label, counts in compare(read_table(TABLE)).items():
        agreed = sum(count for (seen, said), count in counts.items() if seen == said)
        print(f"{label}: {agreed} of {counts.total()} agree")
        for (seen, said), count in sorted(counts.items()):
            print(f"  {count:3d}  by eye {seen}, classified {said}")


if __name__ == "__main__":
    main()
