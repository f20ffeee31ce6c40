"""What a run writes while it goes: CSV tables that survive a kill, and TensorBoard."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from bipedal.files import atomic_write

Row = Mapping[str, float | int | str]


class Table:
    """A CSV file with an `iteration` column, one flushed line a row.

    On resume the rows after the saved iteration are cut off, a torn last line with them: the run
    is about to write them again.
    """

    def __init__(self, path: Path, *, keep_iterations: int) -> None:
        """Open for appending; keeps the rows of iterations up to `keep_iterations`."""
        self.columns: list[str] = []
        if path.exists():
            with open(path, newline="") as file:
                reader = csv.DictReader(file)
                rows = [row for row in reader if _iteration(row) <= keep_iterations]
                self.columns = list(reader.fieldnames or []) if rows else []
            text = io.StringIO()
            if rows:
                writer = csv.DictWriter(text, self.columns)
                writer.writeheader()
                writer.writerows(rows)
            atomic_write((path, text.getvalue().encode()))
        self._file = open(path, "a", newline="")  # noqa: SIM115

    def append(self, row: Row) -> None:
        """Write a row; the first one decides the columns, NaN becomes an empty cell."""
        writer = csv.DictWriter(self._file, self.columns or list(row))
        if not self.columns:
            self.columns = list(row)
            writer.writeheader()
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _iteration(row: Mapping[str, str | None]) -> float:
    """Number of the iteration; infinite for a torn line."""
    if None in row.values():
        return float("inf")
    try:
        return int(row["iteration"] or "")
    except ValueError:
        return float("inf")


class RunLog:
    """The two tables of a run and its TensorBoard events."""

    def __init__(self, run_dir: Path, *, iteration: int, timesteps: int) -> None:
        """Open in `run_dir` to go on after `iteration` (0 for a new run)."""
        self.metrics = Table(run_dir / "metrics.csv", keep_iterations=iteration)
        self.evaluations = Table(run_dir / "evaluations.csv", keep_iterations=iteration)
        self._writer = SummaryWriter(
            str(run_dir / "tensorboard"), purge_step=timesteps + 1 if iteration else None
        )

    def write_metrics(self, row: Row) -> None:
        """Add one iteration."""
        self.metrics.append(row)
        self._scalars(row, prefix="")

    def write_evaluation(self, row: Row) -> None:
        """Add one greedy evaluation."""
        self.evaluations.append(row)
        self._scalars(row, prefix="evaluation/")

    def _scalars(self, row: Row, prefix: str) -> None:
        step = int(row["timesteps"])
        for name, value in row.items():
            if name not in ("iteration", "timesteps") and isinstance(value, int | float):
                self._writer.add_scalar(prefix + name, value, step)

    def flush(self) -> None:
        """Write TensorBoard's queue out; the tables are written row by row."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close everything; what a full disk does not take was reported before."""
        with contextlib.suppress(OSError):
            self.metrics.close()
        with contextlib.suppress(OSError):
            self.evaluations.close()
        with contextlib.suppress(OSError):
            self._writer.close()
