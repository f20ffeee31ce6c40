"""Threads that take an engine through a step: all of the step or none of it.

Python raises KeyboardInterrupt in the main thread, between any two of its operations, so a step
that the main thread shares out among threads could be left half done. Here it hands the whole step
over in one operation and waits. Whatever interrupts the wait, the step is completed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue

Job = Callable[[], None]


class _Step:
    """A list of jobs, done side by side, and what came of them."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.answers: SimpleQueue[BaseException | None] = SimpleQueue()
        self.error: BaseException | None = None
        self.finished = False
        self.over: SimpleQueue[None] = SimpleQueue()

    def do(self, job: Job) -> None:
        """Do one of the jobs."""
        try:
            job()
        except BaseException as error:
            self.answers.put(error)
        else:
            self.answers.put(None)


class Crew:
    """A leader and its helpers, each a thread of its own; every thread does at most one job.

    The threads end with `close`, or when nobody holds the crew any more.
    """

    def __init__(self, threads: int) -> None:
        """Start the threads."""
        self._steps: SimpleQueue[_Step | None] = SimpleQueue()
        threading.Thread(target=_lead, args=(self._steps, threads - 1), daemon=True).start()
        self._end = weakref.finalize(self, self._steps.put, None)

    def run(self, jobs: Sequence[Job]) -> None:
        """Do all jobs, at most one a thread, and wait; raises what one of them raised.

        Raises `ValueError` after `close`.
        """
        if not self._end.alive:
            raise ValueError("the engine is closed")
        step = _Step(jobs)
        self._steps.put(step)
        try:
            step.over.get()
        except BaseException:
            if not step.finished:
                step.over.get()
            raise
        if step.error is not None:
            raise step.error

    def close(self) -> None:
        """End the threads once they have done what they were given."""
        self._end()


def _lead(steps: SimpleQueue[_Step | None], helpers: int) -> None:
    """Take one step after another, with the helpers, until there are no more."""
    inboxes = [SimpleQueue[tuple[_Step, Job] | None]() for _ in range(helpers)]
    for inbox in inboxes:
        threading.Thread(target=_help, args=(inbox,), daemon=True).start()
    while (step := steps.get()) is not None:
        for inbox, job in zip(inboxes, step.jobs[1:], strict=False):
            inbox.put((step, job))
        step.do(step.jobs[0])
        answers = [step.answers.get() for _ in step.jobs]
        step.error = next((error for error in answers if error is not None), None)
        step.finished = True
        step.over.put(None)
    for inbox in inboxes:
        inbox.put(None)


def _help(inbox: SimpleQueue[tuple[_Step, Job] | None]) -> None:
    while (work := inbox.get()) is not None:
        step, job = work
        step.do(job)
