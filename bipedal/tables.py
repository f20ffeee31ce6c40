"""Tables of plain values as CSV, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with every column that some row has, in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `csv_text` to a file."""
    path.write_text(csv_text(rows), encoding="utf-8", newline="")


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a file that `csv_text` made, their values of the types that they had.

    An empty cell is None, be it that the value was None or that the row had none.
    """
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def _value(cell: str) -> bool | int | float | str | None:
    if cell in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[cell]
    for number in (int, float):
        try:
            return number(cell)
        except ValueError:
            continue
    return cell
