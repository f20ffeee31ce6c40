"""Damage files, kill, fill disks, race and interrupt for some minutes: `make chaos MINUTES=10`.

Prints what was tried and what broke, and keeps the smallest file, or the directory, of each fault.
The exit code is 1 if anything broke.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bipedal.processes import usable_cores

HERE = Path(__file__).parent
SHARES = {"mutation": 0.5, "kills": 0.2, "disks": 0.1, "races": 0.1, "signals": 0.1}
"""Parts, and the share of the time that each gets."""
GRACE_SECONDS = 300
"""A part first trains a run, and the last thing it tries may take a while."""
NAMESPACES = (
    ["unshare", "--mount", "--"],
    ["unshare", "--user", "--map-root-user", "--mount", "--"],
)
"""Ways to a process whose mounts nobody else sees, and which end with it: as root, or as a user."""


class Outcome(NamedTuple):
    """What a part tried, by name, and what broke."""

    counts: Counter[str]
    findings: list[str]


def run_part(part: str, seconds: float, seed: int, out: Path) -> Outcome:
    """Run a part in a process of its own, which may crash."""
    script, only = ("mutation", "") if part == "mutation" else ("mishaps", part)
    prefix = mount_namespace() if part == "disks" else []
    if prefix is None:
        print("disks are left out: nothing can be mounted here", file=sys.stderr)
        return Outcome(Counter(), [])
    search = [HERE.parent, os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, search))}
    with TemporaryDirectory(prefix="chaos-") as work:
        arguments = [work, out, seconds, seed, only]
        command = [*prefix, sys.executable, HERE / f"{script}.py", *arguments]
        try:
            done = subprocess.run(
                list(map(str, command)),
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
                timeout=seconds + GRACE_SECONDS,
            )
            if done.returncode == 0:
                said = json.loads(done.stdout)
                return Outcome(Counter(said["counts"]), said["findings"])
            end = f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            end = "it did not end"
        return Outcome(Counter(), [f"{part}, seed {seed}: {end}{_keep_current(Path(work), out)}"])


def _keep_current(work: Path, out: Path) -> str:
    """Keep the file that was being read when a process died."""
    current = work / "current"
    if not current.exists():
        return ""
    victim = Path(current.read_text())
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(victim, out / victim.name)
    return f", see {out / victim.name}"


def mount_namespace() -> list[str] | None:
    """Command before one that may mount; None where there is none."""
    for prefix in NAMESPACES:
        try:
            if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
                return prefix
        except FileNotFoundError:
            return None
    return None


def main() -> int:
    """Run all parts; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=usable_cores())
    parser.add_argument("--parts", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--out", type=Path, default=Path("build/chaos"))
    given = parser.parse_args()
    # Files can be damaged by every process on its own.
    parts = [part for part in given.parts for _ in range(given.jobs if part == "mutation" else 1)]
    total = 60.0 * given.minutes * given.jobs / sum(SHARES[part] for part in given.parts)
    seconds = {
        part: total * SHARES[part] / (given.jobs if part == "mutation" else 1)
        for part in given.parts
    }
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = list(
            pool.map(
                lambda job: run_part(job[1], seconds[job[1]], 100 * given.seed + job[0], given.out),
                enumerate(parts),
            )
        )
    counts = sum((outcome.counts for outcome in outcomes), Counter[str]())
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    for name, count in counts.items():
        print(f"{name:20} {count:8,}")
    print(f"{len(findings)} faults", *findings, sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
