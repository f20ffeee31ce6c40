"""Tables of plain values as CSV, and back: the one writer and the one reader."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bipedal.errors import RunFailedError
from bipedal.files import atomic_write


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with every column that some row has, in the order in which they first appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `csv_text` to a file, whole or not at all."""
    atomic_write((path, csv_text(rows).encode()))


def read_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a file, their values of the types that `csv_text` was given.

    An empty cell is None, be it that the value was None or that the row had none. Raises
    `RunFailedError` for a line with more or fewer cells than the first one.
    """
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        columns = next(reader, [])
        rows = []
        for cells in reader:
            if len(cells) != len(columns):
                raise RunFailedError(
                    f"{path} is damaged: line {reader.line_num} has {len(cells)} cells, "
                    f"not {len(columns)}"
                )
            rows.append(dict(zip(columns, map(_value, cells), strict=True)))
    return rows


def _value(cell: str) -> bool | int | float | str | None:
    if cell in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[cell]
    if "_" not in cell:  # Python takes 1_000 for a number
        for number in (int, float):
            try:
                return number(cell)
            except ValueError:
                continue
    return cell
