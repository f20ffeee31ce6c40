"""What the system refuses is said in one sentence; a fault of the program is not hidden."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from commands import Captured, assert_one_sentence, assert_refused

from bipedal import cli
from bipedal.commands import COMMANDS


def refuse_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have `bipedal info` end so."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "COMMANDS", {**COMMANDS, "info": fail})


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("can't start new thread"), "no more processes or threads"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "no more processes or threads"),
        (MemoryError(), "there is not enough memory"),
        (OSError(errno.EMFILE, "Too many open files", "a.pth"), "a.pth: Too many open files"),
        (OSError(errno.ENOSPC, "No space left on device"), ": No space left on device"),
        (OSError("said otherwise"), ": said otherwise"),
    ],
)
def test_what_the_system_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: BaseException, says: str
) -> None:
    refuse_with(monkeypatch, error)
    sentence = assert_refused(capsys, "info", "a.pth", code=1)
    assert says in sentence and "Errno" not in sentence


def test_a_fault_of_the_program_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_with(monkeypatch, RuntimeError("a shape is wrong"))
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        cli.main(["info", "a.pth"])


def test_an_interrupt_is_one_sentence_however_often_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    complain = cli._complain

    def interrupt_and_complain(sentence: str) -> None:
        signal.raise_signal(signal.SIGINT)
        complain(sentence)

    monkeypatch.setattr(cli, "COMMANDS", {"info": interrupt})
    monkeypatch.setattr(cli, "_complain", interrupt_and_complain)
    try:
        assert cli.main(["info", "a.pth"]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted" in assert_one_sentence(capsys.readouterr().err)
