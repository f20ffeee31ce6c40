"""One trial in a process of its own: run by `bipedal.studies.executors`, not by people.

    python -m bipedal.studies.trial NAME ARM SEED TIMESTEPS FOLDER CORE

Its answer is FOLDER/result.json. Standard input is a pipe that nobody writes to: when it ends, the
study that started this trial is gone, and so is the trial.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bipedal.studies.study import Trial

RESULT = "result.json"


def run_trial(name: str, trial: Trial) -> dict[str, Any]:
    """Run a trial in this process; returns its rows, its curve and its seconds."""
    import torch

    from bipedal.processes import keep_freed_memory
    from bipedal.studies import find_study

    torch.set_num_threads(1)  # a trial has one core
    keep_freed_memory()
    began = time.monotonic()
    rows, curve = find_study(name).trial(trial)
    return {
        "rows": [{"condition": trial.arm, **row} for row in rows],
        "curve": [dict(row) for row in curve],
        "seconds": round(time.monotonic() - began, 2),
    }


def _leave_with_the_study() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock a thread must not hold at the end
    os._exit(1)


def main() -> None:
    """Run the trial that the arguments name."""
    name, arm, seed, timesteps, folder, core = sys.argv[1:]
    threading.Thread(target=_leave_with_the_study, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    result = run_trial(name, Trial(arm, int(seed), int(timesteps), Path(folder)))
    (Path(folder) / RESULT).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
