"""The tables of trials in docs/hardcore.md are what results/hardcore-trials.csv says."""

import re
from collections import defaultdict
from pathlib import Path

from bipedal.tables import read_table

ROOT = Path(__file__).parents[2]
Evaluations = dict[tuple[str, int], list[tuple[float, str]]]


def evaluations() -> Evaluations:
    """Millions of timesteps and what a cell says of them, by trial and seed."""
    found: Evaluations = defaultdict(list)
    for row in read_table(ROOT / "results" / "hardcore-trials.csv"):
        cell = f"{row['mean_return']:.0f}, {100 * row['fall_rate']:.0f} %"
        found[row["trial"], row["seed"]].append((row["timesteps"] / 1e6, cell))
    return found


def tables() -> list[list[list[str]]]:
    """Cells by table and line, the head first."""
    text = (ROOT / "docs" / "hardcore.md").read_text()
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        for block in blocks
        if block.startswith("| trial |")
    ]


def test_a_cell_is_the_nearest_evaluation() -> None:
    found = evaluations()
    checked = 0
    for head, _, *lines in tables():
        trial = ""
        for name, *cells in lines:
            letters = re.match(r"([A-Z]+)[:,]", name)
            trial = letters[1] if letters else trial  # "the same, seed ...": of the line above
            seeds = [seed for other, seed in found if other == trial]
            named = re.search(r"seed (\d+)", name)
            seed = int(named[1]) if named and int(named[1]) in seeds else seeds[0]
            for millions, cell in zip(head[1:], cells, strict=True):
                if cell:
                    at = float(millions.removesuffix("M"))
                    nearest = min(found[trial, seed], key=lambda one: abs(one[0] - at))
                    assert cell == nearest[1], (name, millions)
                    checked += 1
    assert checked == 154
