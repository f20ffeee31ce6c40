"""A command as a process: exit codes, closed and full streams, a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from commands import assert_one_sentence, run_bipedal

from bipedal import __version__

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_a_mistake_ends_the_process_with_2_and_one_sentence() -> None:
    for arguments in (["train", "--nope"], ["info", "nowhere.pth"]):
        done = run_bipedal(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert_one_sentence(done.stderr)


def test_a_terminal_without_greek_letters_is_no_reason_to_fail() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run_bipedal("train", "--help", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_bipedal("train", "--nope", env=environment)
    assert "--nope" in assert_one_sentence(done.stderr)


def test_a_reader_who_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "bipedal", "train", "--help"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_results_that_cannot_be_written_are_a_failed_job() -> None:
    for arguments in (["--help"], ["evaluate", "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "bipedal", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
            )
        assert done.returncode == 1
        assert "No space left" in assert_one_sentence(done.stderr)


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, bipedal, bipedal.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bipedal", "--version"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, f"bipedal {__version__}\n")


INTERRUPT_AN_IMPORT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Interrupter(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupter())
sys.argv = ["bipedal", "info", "pretrained:walker"]
from bipedal.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "says"), [("bipedal.cli", ""), ("numpy", ""), ("torch", "bipedal: interrupted\n")]
)
def test_an_interrupt_during_the_imports_has_its_exit_code(module: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPT_AN_IMPORT.format(module=module)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", says)


def test_an_interrupt_during_the_imports_may_be_ignored() -> None:
    script = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = subprocess.run(
        [sys.executable, "-c", script + INTERRUPT_AN_IMPORT.format(module="numpy")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "24-" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_wrong_request_stays_one_where_nothing_can_be_said() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bipedal", "frobnicate"], stderr=full, timeout=60
        )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code"), [("frobnicate", 2), ("train --seed abc", 2), ("--version", 0)]
)
@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_streams_may_be_closed(arguments: str, code: int, closed: str) -> None:
    command = f'"{sys.executable}" -m bipedal {arguments} {closed}'
    assert subprocess.run(command, shell=True, timeout=60).returncode == code


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_training_needs_no_streams(closed: str) -> None:
    options = (
        "--num-envs 1 --rollout-steps 64 --minibatch-size 64 --epochs 1 "
        "--evaluation-episodes 1 --final-episodes 0 --total-timesteps 64"
    )
    command = f'"{sys.executable}" -m bipedal train --run-dir run {options} {closed}'
    assert subprocess.run(command, shell=True, timeout=120).returncode == 0
    assert Path("run/saved_models/best_model.pth").exists()


# On a terminal -----------------------------------------------------------------------------------


def run_on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Run with all three streams on a pseudo-terminal; returns the exit code and what it shows."""
    terminal, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "bipedal", *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment,
    )
    os.close(side)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return process.wait(timeout=60), shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["record", "pretrained:walker"], "--out"),
        (["train", "--seed", "abc"], "'abc' is not a whole number"),
        (["train", "--sed", "3"], "perhaps you meant --seed"),
        (["evaluate"], "MODEL"),
        (["train", "--preset", "hardcore-polish"], "--init-from"),
        (["info", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_a_mistake_is_the_same_sentence_on_a_terminal_and_in_a_pipe(
    arguments: list[str], says: str
) -> None:
    code, shown = run_on_a_terminal(*arguments)
    assert code == 2
    assert says in assert_one_sentence(shown)
    piped = run_bipedal(*arguments)
    assert (piped.returncode, piped.stderr) == (2, shown)
