"""One trial in a process of its own: run by `bipedal.studies.executors`, not by people.

    python -m bipedal.studies.trial NAME ARM SEED TIMESTEPS FOLDER CORES

CORES are numbers with commas between. Its answer is FOLDER/result.json. Standard input is a pipe
that nobody writes to: when it ends, the study that started this trial is gone, and so is the trial
with all that it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bipedal.studies.study import Trial

RESULT = "result.json"


def run_trial(name: str, trial: Trial) -> dict[str, Any]:
    """Run a trial in this process; returns its rows, its curve, its seconds and its hash."""
    import torch

    from bipedal.processes import keep_freed_memory
    from bipedal.studies import find_study
    from bipedal.studies.configuration import fingerprint, settings_of

    torch.set_num_threads(1)  # a trial's operations are small
    keep_freed_memory()
    study = find_study(name)
    settings = settings_of(study, trial.arm, trial.timesteps, trial.cores)
    began = time.monotonic()
    rows, curve = study.trial(trial)
    return {
        "rows": [{"condition": trial.arm, **row} for row in rows],
        "curve": [dict(row) for row in curve],
        "seconds": round(time.monotonic() - began, 2),
        "configuration": fingerprint(settings),
    }


def _leave_with_the_study() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock a thread must not hold at the end
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):  # not the head of a group
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Run the trial that the arguments name."""
    name, arm, seed, timesteps, folder, cores = sys.argv[1:]
    threading.Thread(target=_leave_with_the_study, daemon=True).start()
    own = [int(core) for core in cores.split(",")]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, own)
    result = run_trial(name, Trial(arm, int(seed), int(timesteps), Path(folder), len(own)))
    (Path(folder) / RESULT).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
