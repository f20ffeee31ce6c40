"""Threads that take an engine through a step: all of the step or none of it."""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

Job = Callable[[], None]


class Crew:
    """The caller's thread and some helpers; each does at most one job of a step.

    The helpers end with `close`, or when nobody holds the crew any more.
    """

    def __init__(self, threads: int) -> None:
        """Start the helpers: one thread less than `threads`."""
        self._inboxes = [SimpleQueue[Job | None]() for _ in range(threads - 1)]
        self._answers = SimpleQueue[Exception | None]()
        self._busy = False
        for inbox in self._inboxes:
            threading.Thread(target=_help, args=(inbox, self._answers), daemon=True).start()
        self._end = weakref.finalize(self, _dismiss, self._inboxes)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all jobs, at most one a thread, the first in this one; raises what one of them raised.

        Ctrl-C is answered when all are done, so that no environment is a step ahead of another; a
        second one breaks the step off. Raises `ValueError` after `close`, and `RuntimeError` after
        a step that was broken off.
        """
        if not self._end.alive:
            raise ValueError("the engine is closed")
        if self._busy:
            raise RuntimeError("a step of this engine was broken off: close it and make another")
        with interrupts_deferred():
            self._busy = True
            for inbox, job in zip(self._inboxes, jobs[1:], strict=False):
                inbox.put(job)
            errors = [_do(jobs[0])]
            errors += [self._answers.get() for _ in jobs[1:]]
            self._busy = False
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the helpers once they have done what they were given."""
        self._end()


def _do(job: Job) -> Exception | None:
    try:
        job()
    except Exception as error:
        return error
    return None


def _help(inbox: SimpleQueue[Job | None], answers: SimpleQueue[Exception | None]) -> None:
    while (job := inbox.get()) is not None:
        answers.put(_do(job))


def _dismiss(inboxes: Sequence[SimpleQueue[Job | None]]) -> None:
    for inbox in inboxes:
        inbox.put(None)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Answer the first Ctrl-C after the `with` block, and a second one at once.

    Python answers a signal in the main thread, between any two of its operations: by default it
    raises KeyboardInterrupt there. In other threads there is nothing to defer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append((number, frame))
        if len(asked) > 1 and callable(before):
            before(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked and callable(before):
        before(*asked[0])
