"""Read damaged files, hundreds a second: each is read or ends in one sentence, soon and cheaply."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import torch
from targets import Target, make_targets

from bipedal import checkpoint
from bipedal.errors import RunFailedError, UserError

MAX_SECONDS = 2.0
"""Processor time that a file may take."""
MAX_MEGABYTES = 500
MAX_SENTENCE = 1500
"""Characters; the longest names a path and what stands there."""
ENDLESS_SECONDS, WAITING_SECONDS = 20.0, 600
"""Processor time and time after which nobody waits any longer; a machine may be busy."""
SHRINKING_TRIES = 300


class EndlessError(BaseException):
    """Reading a file does not end."""


def _give_up(_: int, __: FrameType | None) -> None:
    raise EndlessError


def failure(target: Target, data: bytes) -> str | None:
    """What goes wrong with a file, in a few words that are the same for the same fault."""
    target.path.write_bytes(data)
    _forget_peak()
    before, started = _peak_megabytes(), time.process_time()
    signal.alarm(WAITING_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, ENDLESS_SECONDS)
    try:
        target.read(target.path)
    except (UserError, RunFailedError) as error:
        if len(str(error)) > MAX_SENTENCE:
            return "a long sentence"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        return f"{type(error).__name__} in {_place(error)}"
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    if time.process_time() - started > MAX_SECONDS:
        return "slow"
    return "large" if _peak_megabytes() - before > MAX_MEGABYTES else None


def _place(error: BaseException) -> str:
    """Where in this project it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "bipedal" in Path(frame.filename).parts] or list(frames)
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def _forget_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def _peak_megabytes() -> float:
    """The most memory that was resident since `_forget_peak`; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0.0
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def shrink(target: Target, data: bytes, why: str, fails: Callable[..., str | None]) -> bytes:
    """Leave out pieces of a file as long as it fails in the same way."""
    size, tries = len(data) // 2, SHRINKING_TRIES
    while size and tries > 0:
        for start in range(0, len(data), size):
            tries -= 1
            shorter = data[:start] + data[start + size :]
            if fails(target, shorter) == why:
                data = shorter
                break
        else:
            size //= 2
    return data


def attack(
    targets: Sequence[Target], *, seconds: float, seed: int, current: Path
) -> tuple[Counter[str], dict[str, tuple[Target, bytes]]]:
    """Damage the targets until the time is up; each gets as much of it as the others.

    Returns how many files were read of each, and the smallest of those that failed by how they did.
    `current` names the file that is being read, for whoever finds this process dead.
    """
    sound = {target.name: target.path.read_bytes() for target in targets}
    spent = {target.name: 0.0 for target in targets}
    counts: Counter[str] = Counter()
    findings: dict[str, tuple[Target, bytes]] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        target = min(targets, key=lambda target: spent[target.name])
        started = time.process_time()
        current.write_text(str(target.path))
        rng = Random(f"{seed} {target.name} {counts[target.name]}")
        data = target.mutate(sound[target.name], rng)
        why = failure(target, data)
        if why is not None:
            key = f"{target.name}: {why}"
            if key not in findings:
                data = shrink(target, data, why, failure)
                print(f"found {key} ({len(data)} bytes)", file=sys.stderr)
            if key not in findings or len(data) < len(findings[key][1]):
                findings[key] = target, data
        target.path.write_bytes(sound[target.name])
        counts[target.name] += 1
        spent[target.name] += time.process_time() - started
    return counts, findings


def main(work: Path, out: Path, seconds: float, seed: int, only: str) -> None:
    """Print what was done as JSON; write the files that failed into `out`."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _give_up)
    signal.signal(signal.SIGPROF, _give_up)
    checkpoint.READ_ATTEMPTS = 1  # no other process is saving
    os.fsync = lambda fd: None  # nor will the power be cut
    targets = [target for target in make_targets(work) if only in target.name]
    counts, findings = attack(targets, seconds=seconds, seed=seed, current=work / "current")
    said: dict[str, Any] = {"counts": counts, "findings": []}
    for number, (key, (target, data)) in enumerate(findings.items()):
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"{seed}-{number}-{target.path.name}"
        path.write_bytes(data)
        said["findings"].append(f"{key}, see {path}")
    print(json.dumps(said))


if __name__ == "__main__":
    work, out, seconds, seed, only = sys.argv[1:]
    main(Path(work), Path(out), float(seconds), int(seed), only)
