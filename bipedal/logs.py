"""What a run writes while it goes: CSV tables that survive a kill, and TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from bipedal.tables import AppendingTable
from bipedal.trackers import Tracker

Row = Mapping[str, float | int | str]


class RunLog:
    """The two tables of a run, its TensorBoard events, and a tracker if there is one."""

    def __init__(
        self, run_dir: Path, *, iteration: int, timesteps: int, tracker: Tracker | None = None
    ) -> None:
        """Open in `run_dir` to go on after `iteration` (0 for a new run)."""
        self._tracker = tracker
        self.metrics = AppendingTable(run_dir / "metrics.csv", keep_iterations=iteration)
        self.evaluations = AppendingTable(run_dir / "evaluations.csv", keep_iterations=iteration)
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
        values = {
            prefix + name: value
            for name, value in row.items()
            if name not in ("iteration", "timesteps") and isinstance(value, int | float)
        }
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        if self._tracker is not None:
            self._tracker.log(values, step)

    def flush(self) -> None:
        """Write everything out; the tables so that a power cut takes none of their rows."""
        self.metrics.sync()
        self.evaluations.sync()
        self._writer.flush()

    def close(self) -> None:
        """Flush and close everything; what a full disk does not take was reported before."""
        with contextlib.suppress(OSError):
            self.metrics.close()
        with contextlib.suppress(OSError):
            self.evaluations.close()
        with contextlib.suppress(OSError):
            self._writer.close()
