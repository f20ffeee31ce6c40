"""Completion, as bash does it."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from commands import Captured

from bipedal import cli

pytestmark = [
    pytest.mark.usefixtures("empty_directory"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["st"], ["study"]),
        (["e"], ["evaluate", "export"]),
        (["evaluate", "--ep"], ["--episodes"]),
        (["train", "--no-layer"], ["--no-layer-norm"]),
        (["train", "--dump-config", "--ga"], ["--gamma", "--gae-lambda"]),
        (["info", "--gamma"], []),
        (["evaluate", "--h"], ["--help"]),
    ],
)
def test_bash_completes(capsys: Captured, words: list[str], found: list[str]) -> None:
    assert cli.main(["completion"]) == 0
    script = capsys.readouterr().out
    ask = f"COMP_WORDS=(bipedal {' '.join(words)}); COMP_CWORD={len(words)}; _bipedal"
    done = subprocess.run(
        ["bash", "-c", f'{script}\n{ask}\nprintf "%s\\n" "${{COMPREPLY[@]}}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == (found, "")


def test_an_argument_is_refused(capsys: Captured) -> None:
    assert cli.main(["completion", "fish"]) == 2
    assert "unknown argument 'fish'" in capsys.readouterr().err
