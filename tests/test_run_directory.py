"""A run's directory: locked by one process, its configuration read with care."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bipedal import run_directory
from bipedal.errors import UserError
from bipedal.presets import DEFAULT
from bipedal.resume import restore_run
from bipedal.run_directory import lock_run, prepare_run, read_run_config
from bipedal.trainer import Trainer
from bipedal.training_loop import train

GOLDEN = Path(__file__).parent / "golden" / "config-0.1.0.json"

HOLD = """
import sys, time
from pathlib import Path
from bipedal.run_directory import lock_run
with lock_run(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("resume", [False, True])
def test_a_name_that_is_no_text_is_refused(tmp_path: Path, resume: bool) -> None:
    """As every name beyond ASCII is in the locale C without UTF-8."""
    run_dir = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(UserError, match="no text in this system's encoding") as caught:
        train(DEFAULT, run_dir, resume=resume)
    assert str(caught.value).isascii()
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_locked_until_its_process_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match="is being trained by another process"), lock_run(tmp_path):
        pass
    holder.kill()
    holder.communicate(timeout=60)
    with lock_run(tmp_path):
        pass


def test_a_run_can_be_locked_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock_run(tmp_path):
        raise ZeroDivisionError
    with lock_run(tmp_path):
        pass


@pytest.mark.skipif(os.name == "nt", reason="fcntl is of POSIX")
@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOLCK, "; choose a directory on another disk"),
        (errno.ENOTSUP, "; choose a directory on another disk"),
        (errno.EPERM, ""),
        (errno.EIO, ""),
    ],
)
def test_a_file_system_that_cannot_lock_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(UserError) as caught, lock_run(tmp_path):
        pass
    assert str(caught.value) == f"cannot lock {tmp_path}: {os.strerror(number)}{advice}"


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(UserError, match=r"cannot lock .*: Is a directory"), lock_run(tmp_path):
        pass


def test_there_is_nothing_to_lock(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run to resume"), lock_run(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()


def test_a_run_that_may_not_be_read_is_not_taken_for_none(forbidden: Path) -> None:
    with pytest.raises(UserError, match="Permission denied"), lock_run(forbidden):
        pass
    with pytest.raises(UserError, match="Permission denied"):
        read_run_config(forbidden)
    with pytest.raises(UserError, match="Permission denied"):  # not from the beginning
        restore_run(cast(Trainer, SimpleNamespace(run_dir=forbidden)))


def test_the_configuration_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    shutil.copy(GOLDEN, tmp_path / "config.json")
    assert read_run_config(tmp_path).preset == "hardcore-careful"


def test_the_versions_that_decide_a_result_are_recorded(tmp_path: Path) -> None:
    prepare_run(tmp_path / "run", DEFAULT)
    versions = json.loads((tmp_path / "run/config.json").read_text())["versions"]
    assert versions.keys() == {
        "python", "bipedal", "torch", "gymnasium", "warp-lang", "box2d", "numpy",
    }  # fmt: skip
    assert versions["warp-lang"] == version("warp-lang")


def test_a_package_that_is_not_installed_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> str:
        if name == "box2d":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(run_directory, "version", find)
    prepare_run(tmp_path / "run", DEFAULT)
    versions = json.loads((tmp_path / "run/config.json").read_text())["versions"]
    assert "box2d" not in versions and "torch" in versions


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"config": ' + "9" * 5000 + "}", '{"config": "text"}', '{"config": {}}', "\0"],
    ids=["nested", "long number", "text", "empty", "zero"],
)
def test_a_strange_configuration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        read_run_config(tmp_path)


@pytest.mark.parametrize(
    "change", [{"hidden_sizes": [1.5] * 10_000}, {"x" * 10_000: 1}, {"seed": "9" * 10_000}]
)
def test_a_long_value_is_not_shown_whole(tmp_path: Path, change: dict[str, object]) -> None:
    sound = json.loads(GOLDEN.read_text())
    sound["config"] |= change
    (tmp_path / "config.json").write_text(json.dumps(sound))
    with pytest.raises(UserError) as caught:
        read_run_config(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(tmp_path))


def test_a_configuration_that_never_ends_is_refused(tmp_path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "config.json")
        with pytest.raises(UserError, match="is not a file"):
            read_run_config(tmp_path)
        (tmp_path / "config.json").unlink()
    with open(tmp_path / "config.json", "wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(UserError, match="too large"):
        read_run_config(tmp_path)
