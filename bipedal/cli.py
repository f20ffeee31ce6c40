"""The command line: run a command, and end as scripts expect.

Exit codes: 0 done (or stopped as asked, and saved), 1 the job failed, 2 the request was wrong.
Results go to standard output, everything else to standard error. The commands are in
`bipedal.commands`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bipedal import __version__
from bipedal.commands import COMMANDS, USAGE
from bipedal.errors import RunFailedError, UserError
from bipedal.files import reason
from bipedal.processes import interrupted_once

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Without `arguments` it is what this process is for."""
    _open_streams()
    with (
        interrupted_once(ending=arguments is None),
        contextlib.redirect_stderr(_lossy(sys.stderr)),
    ):
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a terminal without γ shows \u03b3
                stream.reconfigure(errors="backslashreplace")
        try:
            _run(sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
            return 0
        except (Exception, KeyboardInterrupt) as error:
            end = _end(error)
            if end is None:
                raise
            code, sentence = end
            if sentence is not None:
                _complain(sentence)
            return code


def _run(arguments: Sequence[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(USAGE)
    elif name == "--version":
        print(f"bipedal {__version__}")
    elif name in COMMANDS:
        with contextlib.suppress(SystemExit):  # --help
            COMMANDS[name](arguments[1:])
    else:
        raise UserError(f"unknown command {name!r}: choose one of {', '.join(COMMANDS)}")


NO_MORE_PROCESSES = "the system allows no more processes or threads: end some, or see `ulimit -u`"


def _end(error: BaseException) -> tuple[int, str | None] | None:
    """Exit code and sentence of a command that ended so; None for a fault of this program."""
    match error:
        case UserError():
            return 2, str(error)
        case RunFailedError():
            return 1, str(error)
        case KeyboardInterrupt():
            return 128 + signal.SIGINT, "interrupted"
        case BrokenPipeError():  # the reader, head for one, has seen enough
            _drop_output()
            return 1, None
        case OSError(errno=errno.EAGAIN):
            return 1, NO_MORE_PROCESSES
        case OSError():
            _drop_output()
            return 1, reason(error)
        case MemoryError():
            return 1, "there is not enough memory"
        case RuntimeError() if "can't start new thread" in str(error):
            return 1, NO_MORE_PROCESSES
    return None


def _complain(sentence: str) -> None:
    """Print one line on standard error; a file's name may hold line ends and worse."""
    text = "".join(c if c.isprintable() else " " for c in sentence)
    print(f"bipedal: {text}", file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Send what standard output does not take nowhere: else Python complains at the exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Give streams that were closed before the start (`2>&-`) somewhere to go.

    In this order each gets the descriptor that is its own, and no file of a run does.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


class _LossyFile(io.FileIO):
    """A file that takes everything: what cannot be written is lost."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or lose, all of the data; returns its length in bytes."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _lossy(stream: Any) -> Any:
    """Make standard error one that no job depends on.

    Its reader may leave, its terminal may be closed, its disk may be full: a training goes on and
    saves all the same, and a mistake has its exit code.
    """
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(raw, io.FileIO):  # a test's or a notebook's own
        return stream
    file = io.BufferedWriter(_LossyFile(raw.fileno(), "w", closefd=False))
    return io.TextIOWrapper(file, encoding=stream.encoding, line_buffering=True)
