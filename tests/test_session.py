"""A run at a terminal: stopped by signals, found again, scored at the end."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Captured

from bipedal import run_names, session
from bipedal.checkpoint import load_state
from bipedal.engines.crew import interrupts_deferred
from bipedal.errors import UserError
from bipedal.presets import DEFAULT
from bipedal.processes import usable_cores
from bipedal.seeds import FINAL_SEED
from bipedal.training_loop import Outcome

starts_processes = pytest.mark.skipif(
    usable_cores() < 2 or not Path("/proc/self/task").exists(),
    reason="with one core there are no processes of its own; counts them in /proc",
)
TOY = [
    "--num-envs",
    "2",
    "--rollout-steps",
    "64",
    "--minibatch-size",
    "64",
    "--epochs",
    "1",
    "--hidden-sizes",
    "8",
    "8",
    "--evaluation-interval",
    "1000",
    "--evaluation-episodes",
    "1",
    "--evaluation-min-return",
    "-1000",
    "--final-episodes",
    "2",
]


def start(run_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bipedal", "train", "--run-dir", str(run_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_rows(run_dir: Path, count: int) -> None:
    metrics = run_dir / "metrics.csv"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if metrics.exists() and metrics.read_text().count("\n") > count:
            return
        time.sleep(0.05)
    raise AssertionError("the run did not get going")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_cleanly_and_the_run_goes_on(tmp_path: Path, number: int) -> None:
    """Ctrl-C and a hangup go to the whole process group, as a terminal sends them."""
    run_dir = tmp_path / "run"
    process = start(run_dir, "--total-timesteps", "1000000", *TOY)
    wait_for_rows(run_dir, 3)
    process.send_signal(number) if number == signal.SIGTERM else os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err
    assert f"go on with: python -m bipedal train --resume --run-dir {run_dir}" in err

    done = load_state(run_dir / "saved_models" / "resume.pt")["timesteps"]
    assert done == 128 * (len((run_dir / "metrics.csv").read_text().splitlines()) - 1)
    more = start(run_dir, "--resume", "--total-timesteps", str(done + 256))
    out, err = more.communicate(timeout=120)
    assert more.returncode == 0, err
    assert "over 2 fresh episodes" in err
    score = json.loads((run_dir / "score.json").read_text())
    assert score["episodes"] == 2 and score["seed"] == FINAL_SEED


def test_training_outlives_those_who_read_what_it_says(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--total-timesteps", "1000000", *TOY)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    wait_for_rows(run_dir, 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert (run_dir / "saved_models" / "resume.pt").exists()


def test_training_is_saved_when_its_terminal_is_closed(tmp_path: Path) -> None:
    """That sends a hangup, and writing to the terminal is an error from then on."""
    run_dir = tmp_path / "run"
    command = [sys.executable, "-m", "bipedal", "train", "--run-dir", str(run_dir), *TOY]
    pid, terminal = pty.fork()
    if pid == 0:
        # Unbuffered, even writing nothing is an error.
        os.execve(sys.executable, command, {**os.environ, "PYTHONUNBUFFERED": "1"})
    os.set_blocking(terminal, False)
    deadline = time.monotonic() + 60
    while not (run_dir / "metrics.csv").exists() and time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            os.read(terminal, 4096)
        time.sleep(0.01)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert (run_dir / "saved_models" / "resume.pt").exists()


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """As `nohup` has it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = session.StopRequest()
        with stop.listening():
            signal.raise_signal(signal.SIGHUP)
        assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_many_interrupts_end_in_one_sentence(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(run_dir, "--total-timesteps", "1000000", *TOY)
    wait_for_rows(run_dir, 3)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "Exception ignored" not in err
    if process.returncode == 130:
        assert err.endswith("\nbipedal: interrupted\n")
    else:  # the iteration ended before the second one came, and another may end the shutdown
        assert process.returncode in (0, -signal.SIGINT)
    again = start(run_dir, "--resume", "--total-timesteps", "128")
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err


class Killed(BaseException):
    """What a signal does to a process that does not handle it."""


@pytest.fixture
def survivable() -> Iterator[None]:
    def kill(number: int, _: object) -> None:
        raise Killed(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, kill) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("survivable")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["at the end of training", "while it is scored"])
def test_a_signal_leaves_out_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, number: int, when: str
) -> None:
    """The run is saved by then. An engine finishes the step that it is in."""

    def train(*_: object, **__: object) -> Outcome:
        if when == "at the end of training":
            signal.raise_signal(number)
        return Outcome(tmp_path, 1000, 1.0, finished=True, solved=True)

    def evaluate(*_: object, **__: object) -> None:
        with interrupts_deferred():
            signal.raise_signal(number)
            steps.append("whole")
        steps.append("another")

    steps: list[str] = []
    monkeypatch.setattr(session, "train", train)
    monkeypatch.setattr(session, "load_model", lambda run_dir: None)
    monkeypatch.setattr(session, "evaluate", evaluate)
    session.train_and_score(DEFAULT, tmp_path, resume=False)
    assert steps == (["whole"] if when == "while it is scored" else [])
    said = capsys.readouterr().err
    assert f"stopped without a score; get one with: bipedal evaluate {tmp_path}" in said
    assert f"next: bipedal report {tmp_path}" in said
    assert not (tmp_path / "score.json").exists()


@pytest.mark.reference
@starts_processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_environments_start(tmp_path: Path, number: int) -> None:
    """To the whole group, while the engine's processes import their modules."""
    gymnasium = ["--engine", "gymnasium"]
    process = start(tmp_path / "run", "--total-timesteps", "1000000", *TOY, *gymnasium)
    wait_for_children(process.pid, 2)  # a helper of Python's and the first worker
    os.killpg(process.pid, number)
    assert_stopped_cleanly(process)


def wait_for_children(pid: int, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(children(pid)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_stopped_cleanly(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err and "go on with" in err


@pytest.mark.reference
@starts_processes
def test_no_process_outlives_a_kill(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = start(
        run_dir, "--total-timesteps", "1000000", *TOY, "--engine", "gymnasium",
        "--evaluation-interval", "1", "--evaluation-episodes", "2",
    )  # fmt: skip
    wait_for_rows(run_dir, 1)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in workers)


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_new_runs_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = run_names.new_run_dir(DEFAULT)
    assert first == Path("runs/BipedalWalker-v3-default-seed0")
    first.mkdir(parents=True)
    assert run_names.new_run_dir(DEFAULT) == Path("runs/BipedalWalker-v3-default-seed0-2")


def test_the_latest_run_is_the_one_written_to_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run under runs/"):
        run_names.find_latest_run()
    for age, name in ((30, "a"), (10, "b"), (20, "c")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        config = tmp_path / "runs" / name / "config.json"
        config.touch()
        os.utime(config, (time.time() - age,) * 2)
    assert run_names.find_latest_run() == Path("runs/b")
    saved = tmp_path / "runs" / "c" / "saved_models"
    saved.mkdir()
    (saved / "resume.pt").touch()
    assert run_names.find_latest_run() == Path("runs/c")


@pytest.mark.parametrize(
    ("called", "program"),
    [
        ("/opt/bin/bipedal", "/opt/bin/bipedal"),
        ("/opt/my tools/bipedal", "'/opt/my tools/bipedal'"),
        ("/lib/bipedal/__main__.py", "python -m bipedal"),
        ("notebook.py", "bipedal"),
    ],
)
def test_advice_can_be_copied(monkeypatch: pytest.MonkeyPatch, called: str, program: str) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    assert session.command("report", Path("runs/a b")) == f"{program} report 'runs/a b'"
    assert session.command("--run-dir", Path("-a")) == f"{program} --run-dir ./-a"
