"""Run commands and check how they answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bipedal import cli
from bipedal.config import TrainConfig

COMMANDS = ["train", "evaluate", "record", "report", "info"]

Captured = pytest.CaptureFixture[str]
C_COMPILER = ["cc"] if shutil.which("cc") else [sys.executable, "-m", "ziglang", "cc"]
"""The machine's, or that of the development tools."""


class Trained(Exception):  # noqa: N818
    """Instead of training."""

    def __init__(
        self, config: TrainConfig, run_dir: Path, resume: bool, log_to: str | None
    ) -> None:
        super().__init__()
        self.config, self.run_dir, self.resume, self.log_to = config, run_dir, resume, log_to


def asked(*arguments: str) -> Trained:
    """What ``bipedal train`` with these arguments would do."""
    with pytest.raises(Trained) as caught:
        cli.main(["train", *arguments])
    return caught.value


def assert_one_sentence(stderr: str) -> str:
    assert stderr.startswith("bipedal: "), stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    assert stderr[:-1].isprintable()
    return stderr


def assert_refused(capsys: Captured, *arguments: str | Path, code: int = 2) -> str:
    """The request is refused with one sentence, nothing on standard output; returns it."""
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return assert_one_sentence(captured.err)


def run_bipedal(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bipedal", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def strict_json(text: str) -> Any:
    """Parse, but refuse NaN and Infinity, which JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)
