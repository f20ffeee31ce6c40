"""Every CSV table of the project, written and read.

A table of results is written whole (`write_table`) and read strictly, with its types
(`read_table`). A table of a run grows row by row (`AppendingTable`) and may be torn, or somebody
else's: `read_columns` takes from it what can be shown.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bipedal.errors import RunFailedError, UserError
from bipedal.files import atomic_write, read_file

Columns = dict[str, np.ndarray]
"""Columns of a table by name: float64 with NaN for an empty cell; str for `gait/class`."""

MAX_RESULTS_BYTES = 2**26
"""What `read_table` reads at most: hundreds of times the largest table here."""
MAX_SHOWN_BYTES = 32 * 2**20
"""What `read_columns` reads at most: a hundred times the metrics of a long run."""
MAX_RESUMED_BYTES = 2**30
"""What `AppendingTable` goes on from at most: no run is that long."""
MAX_COLUMNS = 1000
MAX_NUMBER = 1e15
"""Beyond it a number is damage, and the axis of a figure could not hold it."""


# Tables of results --------------------------------------------------------------------------------


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
    `UserError` if the file cannot be read, and `RunFailedError` if it is damaged: a line has more
    or fewer cells than the first one, for example.
    """
    try:
        text = read_file(path, MAX_RESULTS_BYTES).decode()
        reader = csv.reader(io.StringIO(text, newline=""))
        columns = next(reader, [])
        rows = []
        for cells in reader:
            if len(cells) != len(columns):
                raise RunFailedError(
                    f"{path} is damaged: line {reader.line_num} has {len(cells)} cells, "
                    f"not {len(columns)}"
                )
            rows.append(dict(zip(columns, map(_value, cells), strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RunFailedError(f"{path} is damaged: {error}") from None
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


# Tables of a run ----------------------------------------------------------------------------------


class AppendingTable:
    """A CSV file with an `iteration` column, one flushed line a row, in which nothing is quoted.

    On resume the rows after the saved iteration are cut off, a torn last line with them: the run
    is about to write them again.
    """

    def __init__(self, path: Path, *, keep_iterations: int) -> None:
        """Open for appending; keeps the rows of iterations up to `keep_iterations`.

        Raises:
            UserError: the file cannot be read, or is no table of a run.
        """
        self.columns: list[str] = []
        if path.exists():
            columns, rows = _read_cells(path, MAX_RESUMED_BYTES)
            if columns and "iteration" not in columns:
                raise UserError(f"{path} is not the table of a run: it has no column 'iteration'")
            kept = [row for row in rows if _iteration(columns, row) <= keep_iterations]
            self.columns = columns if kept else []
            lines = [",".join(cells) + "\r\n" for cells in (columns, *kept)] if kept else []
            atomic_write((path, "".join(lines).encode()))
        self._file = open(path, "a", encoding="utf-8", newline="")  # noqa: SIM115

    def append(self, row: Mapping[str, float | int | str]) -> None:
        """Write a row; the first one decides the columns, NaN becomes an empty cell."""
        columns = self.columns or list(row)
        writer = csv.DictWriter(self._file, columns, quoting=csv.QUOTE_NONE)
        if not self.columns:
            self.columns = columns
            writer.writeheader()
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
        self._file.flush()

    def sync(self) -> None:
        """Flush the rows to the disk itself."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _iteration(columns: Sequence[str], cells: Sequence[str]) -> float:
    """Number of the iteration; infinite for a damaged row."""
    try:
        return int(cells[columns.index("iteration")])
    except ValueError:
        return math.inf


def read_columns(path: Path) -> Columns:
    """Read a table of a run, even one that is being written: each column by its name.

    A last line torn in the middle of its writing (no line end) and lines with too few or too many
    cells are left out; of two columns with one name the first counts. A missing file reads as one
    with no columns.

    Raises:
        UserError: the file cannot be read, or is no table of a run.
    """
    if not path.exists():
        return {}
    names, rows = _read_cells(path, MAX_SHOWN_BYTES)
    columns: Columns = {}
    for index, name in enumerate(names):
        columns.setdefault(name, _column(name, [row[index] for row in rows]))
    return columns


def _read_cells(path: Path, max_bytes: int) -> tuple[list[str], list[list[str]]]:
    """Names of the columns of a run's table, and the cells of its whole lines."""
    text = read_file(path, max_bytes).decode("utf-8-sig", errors="replace")
    # Nothing in these tables is quoted. Without quotes a line is a row whatever stands in it.
    lines = text.replace("\0", "").replace("\r", "").split("\n")[:-1]
    if not lines:
        return [], []
    columns = lines[0].split(",")
    if len(columns) > MAX_COLUMNS:
        raise UserError(f"{path} is not the table of a run: it has {len(columns)} columns")
    rows = [
        cells for cells in (line.split(",") for line in lines[1:]) if len(cells) == len(columns)
    ]
    return columns, rows


def _column(name: str, cells: Sequence[str]) -> np.ndarray:
    """Cells of one column as an array: text for a class, else numbers with NaN for no number."""
    if name.endswith("/class"):
        return np.array([cell[:40] for cell in cells], dtype=np.str_)
    return np.array([_number(cell) for cell in cells], dtype=np.float64)


def _number(cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        return math.nan
    return number if abs(number) <= MAX_NUMBER else math.nan
