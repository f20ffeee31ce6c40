"""Kills, full disks, races and signals: after each, a run goes on to the same end.

Everything happens in forked processes. The one that forks has trained the whole run, so that its
children have everything loaded and take half a second.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, NoReturn

import torch
from targets import TOY

from bipedal import checkpoint, training_loop
from bipedal.checkpoint import load_model, load_state
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError, UserError
from bipedal.resume import state_path
from bipedal.run_directory import read_run_config
from bipedal.tables import read_table

CLOCK = ("charts/SPS", "time/elapsed")
CHILD_SECONDS = 120


class Whole(NamedTuple):
    """A run that nothing happened to."""

    run_dir: Path
    config: TrainConfig
    operations: list[int]
    """Numbers of its operations on files, in the order in which they are to be the last."""


class BrokenError(Exception):
    """A run directory is not as it should be."""


# A run in a process of its own --------------------------------------------------------------------


class Killer:
    """Kills this process at its n-th operation on files below a directory.

    Half of the time it is a power cut: of what was not flushed to the disk a part is lost.
    """

    def __init__(self, directory: Path, operation: int, rng: Random) -> None:
        self.done = 0
        self._directory = directory
        self._operation = operation
        self._rng = rng
        self._fsync = os.fsync
        self._flushed: dict[int, int] = {}
        """Bytes on the disk, by inode."""

    def install(self) -> None:
        """Watch this process from now on; there is no way back."""
        for facts in map(os.stat, self._files()):
            self._flushed[facts.st_ino] = facts.st_size
        os.fsync = self._flush
        sys.addaudithook(self._hear)

    def _files(self) -> list[Path]:
        return [path for path in self._directory.rglob("*") if path.is_file()]

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not _writes(arguments):
            return
        if event in ("open", "os.rename", "os.remove", "os.mkdir"):
            with suppress(TypeError):  # a descriptor
                if os.fsdecode(arguments[0]).startswith(str(self._directory)):
                    self._operate()

    def _flush(self, fd: Any) -> None:
        self._operate()
        self._fsync(fd)
        facts = os.fstat(fd)
        self._flushed[facts.st_ino] = facts.st_size

    def _operate(self) -> None:
        self.done += 1
        if self.done > self._operation:
            self._operation = sys.maxsize  # what follows is not the run's
            if self._rng.random() < 0.5:
                self._cut_power()
            os.kill(os.getpid(), signal.SIGKILL)

    def _cut_power(self) -> None:
        for path in self._files():
            facts = path.stat()
            kept = min(facts.st_size, self._flushed.get(facts.st_ino, 0))
            os.truncate(path, self._rng.randint(kept, facts.st_size))


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


class Child:
    """A process that trains a run, or goes on with one."""

    def __init__(
        self, work: Path, run_dir: Path, config: TrainConfig, killer: Killer | None = None
    ) -> None:
        """Start it; `work` is on a disk with room."""
        sys.stderr.flush()
        self._said = work / f"said-{time.monotonic_ns()}"
        self._pid = os.fork()
        if self._pid == 0:
            self._train(run_dir, config, killer)

    def _train(self, run_dir: Path, config: TrainConfig, killer: Killer | None) -> NoReturn:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            resume = (run_dir / "config.json").exists()
            if killer is not None:
                killer.install()
            training_loop.train(config, run_dir, resume=resume)
            self._said.write_text("done")
        except (UserError, RunFailedError) as error:
            self._said.write_text(f"refused: {error}")
        except BaseException:
            self._said.write_text(f"broken: {traceback.format_exc()}")
        finally:
            os._exit(0)

    def wait(self) -> str:
        """How it ended: "done", "killed", or "refused: ..."; BrokenError if otherwise."""
        deadline = time.monotonic() + CHILD_SECONDS
        while (ended := os.waitpid(self._pid, os.WNOHANG)) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
                raise BrokenError("it does not end")
            time.sleep(0.01)
        code = os.waitstatus_to_exitcode(ended[1])
        if code == -signal.SIGKILL:
            return "killed"
        text = self._said.read_text() if self._said.exists() else ""
        self._said.unlink(missing_ok=True)
        if code != 0 or not text or text.startswith("broken"):
            raise BrokenError(f"exit code {code}, {text or 'not a word'}")
        return text

    def must_finish(self) -> None:
        """Wait for a run to come to its end."""
        ended = self.wait()
        if ended != "done":
            raise BrokenError(ended)


# What must hold -----------------------------------------------------------------------------------


def check_readable(run_dir: Path) -> None:
    """Every file of a run that was cut off is whole, and the best model is one."""
    models = run_dir / "saved_models"
    try:
        if (run_dir / "config.json").exists():
            read_run_config(run_dir)
        if state_path(run_dir).exists():
            load_state(state_path(run_dir))
        for path in (*models.glob("*.pth"), *models.glob("*.safetensors")):
            load_model(path)
        single = models / "best_model.safetensors"
        if single.exists() and not same_model(single, models / "best_model.pth"):
            raise BrokenError("the best model differs from itself")
    except UserError as error:
        raise BrokenError(str(error)) from None


def same_model(one: Path, other: Path) -> bool:
    states = [load_model(path).state_dict() for path in (one, other)]
    return same(*states)


def same(one: Any, other: Any) -> bool:
    """Whether nested containers hold the same bits."""
    if isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in other)
    if isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def check_same_end(run_dir: Path, whole: Whole) -> None:
    """A run came to the same end, bit for bit, as one that nothing happened to."""
    check_readable(run_dir)
    states = [load_state(state_path(path)) for path in (run_dir, whole.run_dir)]
    for state in states:
        del state["elapsed"]
    if not same(*states):
        raise BrokenError("another end")
    for name in ("metrics.csv", "evaluations.csv"):
        rows = [read_table(path / name) for path in (run_dir, whole.run_dir)]
        for row in (*rows[0], *rows[1]):
            for column in CLOCK:
                row.pop(column, None)
        if rows[0] != rows[1]:
            raise BrokenError(f"another {name}")
    for path in whole.run_dir.glob("saved_models/*"):
        again = run_dir / "saved_models" / path.name
        if not again.exists():
            raise BrokenError(f"no {path.name}")
        if path.suffix in (".pth", ".safetensors") and not same_model(again, path):
            raise BrokenError(f"another {path.name}")
    left = [path.name for path in run_dir.rglob("*.tmp")]
    if left:
        raise BrokenError(f"left over: {left}")


# What happens -------------------------------------------------------------------------------------


def kill(work: Path, whole: Whole, number: int, rng: Random) -> None:
    """Kill a run at one of its operations, perhaps once more later, and go on."""
    run_dir, config = work / "run", whole.config
    operation = whole.operations[number % len(whole.operations)]
    ended = Child(work, run_dir, config, Killer(run_dir, operation, rng)).wait()
    if ended not in ("killed", "done"):
        raise BrokenError(ended)
    check_readable(run_dir)
    if rng.random() < 0.5:
        Child(work, run_dir, config, Killer(run_dir, rng.randrange(40), rng)).wait()
        check_readable(run_dir)
    Child(work, run_dir, config).must_finish()
    check_same_end(run_dir, whole)


def fill_disk(work: Path, whole: Whole, _: int, rng: Random) -> None:
    """Train on a disk that is too small; make room, and go on."""
    disk, config = work / "disk", whole.config
    disk.mkdir()
    blocks, files = rng.randrange(1, 100), rng.choice((1000, 1000, rng.randrange(3, 30)))
    limits = f"size={4 * blocks}k,nr_inodes={files}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "chaos", str(disk)], check=True)
    try:
        ended = Child(work, disk / "run", config).wait()
        if ended != "done" and "make room" not in ended and "No space" not in ended:
            raise BrokenError(ended)
        check_readable(disk / "run")
        if list(disk.rglob("*.tmp")):
            raise BrokenError("half of a file is left")
        room = "remount,size=64m,nr_inodes=1000"
        subprocess.run(["mount", "-o", room, str(disk)], check=True)
        Child(work, disk / "run", config).must_finish()
        check_same_end(disk / "run", whole)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def race(work: Path, whole: Whole, number: int, rng: Random) -> None:
    """Two processes want one directory: one trains there, with the configuration that it says."""
    run_dir, config = work / "run", whole.config
    if number % 2:  # they want to go on
        Child(work, run_dir, config, Killer(run_dir, rng.randrange(20, 40), rng)).wait()
    seeds = (config.seed, config.seed + (number % 2 == 0))
    rivals = []
    for seed in seeds:
        rivals.append(Child(work, run_dir, replace(config, seed=seed)))
        time.sleep(rng.choice((0.0, 0.0, 0.001, 0.01, 0.1)))
    ends = [rival.wait() for rival in rivals]
    winners = [seed for seed, end in zip(seeds, ends, strict=True) if end == "done"]
    if not winners or (len(winners) == 2 and number % 2 == 0):
        raise BrokenError(" and ".join(ends))
    if read_run_config(run_dir).seed != winners[0]:
        raise BrokenError(f"seed {winners[0]} was trained, but another is written down")
    check_readable(run_dir)
    if winners[0] == config.seed:
        check_same_end(run_dir, whole)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt(work: Path, whole: Whole, number: int, rng: Random) -> None:
    """Send signals to a command at any moment; then go on."""
    run_dir = work / "run"
    options = "--num-envs 2 --rollout-steps 64 --minibatch-size 64 --epochs 1 --hidden-sizes 8 8"
    options += " --evaluation-episodes 1 --evaluation-min-return -1000 --final-episodes 2"
    command = [sys.executable, "-m", "bipedal", "train", "--run-dir", str(run_dir)]
    process = subprocess.Popen(
        [*command, "--total-timesteps", "6400", *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    chosen = rng.choice(SIGNALS)
    time.sleep(rng.uniform(0.0, 12.0))
    for _ in range(rng.choice((1, 1, 3))):
        if process.poll() is None:
            os.killpg(process.pid, chosen)
            time.sleep(rng.uniform(0.0, 0.3))
    try:
        out, err = process.communicate(timeout=CHILD_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise BrokenError("it does not end") from None
    if out or "Traceback" in err or process.returncode not in (0, 130, *(-n for n in SIGNALS)):
        raise BrokenError(f"{chosen!r}: exit code {process.returncode}, {out}{err}")
    check_readable(run_dir)
    if (run_dir / "config.json").exists():
        again = [*command, "--resume", "--total-timesteps", "128"]
        done = subprocess.run(again, capture_output=True, text=True, timeout=CHILD_SECONDS)
        if done.returncode != 0 or "Traceback" in done.stderr:
            raise BrokenError(f"going on: exit code {done.returncode}, {done.stderr}")
        check_readable(run_dir)


PARTS: Mapping[str, Callable[[Path, Whole, int, Random], None]] = {
    "kills": kill,
    "disks": fill_disk,
    "races": race,
    "signals": interrupt,
}


def train_whole(run_dir: Path, seed: int) -> Whole:
    """Train the run in this process; an odd seed stands for one that begins with a model."""
    begun = replace(TOY, init_from="pretrained:walker", stop_when_solved=False)
    config = begun if seed % 2 else TOY
    counter = Killer(run_dir, sys.maxsize, Random())
    counter.install()
    training_loop.train(config, run_dir)
    operations = Random(seed).sample(range(counter.done), counter.done)
    return Whole(run_dir, read_run_config(run_dir), operations)


def main(work: Path, out: Path, seconds: float, seed: int, part: str) -> None:
    """Print what was done as JSON; keep directories that are not as they should be in `out`."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    checkpoint.READ_ATTEMPTS = 1  # nobody saves while this process reads
    training_loop.SAVE_SECONDS = 0.0
    whole = train_whole(work / "whole", seed)
    deadline = time.monotonic() + seconds
    number = 0
    findings: list[str] = []
    while time.monotonic() < deadline:
        place = work / f"{part}-{number}"
        place.mkdir()
        try:
            PARTS[part](place, whole, number, Random(f"{seed} {part} {number}"))
        except BrokenError as error:
            kept = out / f"{seed}-{part}-{number}"
            shutil.copytree(place, kept, dirs_exist_ok=True)
            findings.append(f"{part} {number}: {error}, see {kept}")
            print(f"found {findings[-1]}", file=sys.stderr)
        shutil.rmtree(place)
        number += 1
    print(json.dumps({"counts": {part: number}, "findings": findings}))


if __name__ == "__main__":
    work, out, seconds, seed, part = sys.argv[1:]
    main(Path(work), Path(out), float(seconds), int(seed), part)
