"""This process and those it starts: how many, who answers signals, how memory is kept."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP: tuple[signal.Signals, ...] = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
"""What a closed terminal sends to every process; Windows has no such signal."""


@contextmanager
def signals_held(*numbers: signal.Signals) -> Iterator[None]:
    """Hold signals back while processes are started, those in `numbers` and `HANGUP`.

    A terminal sends Ctrl-C and a hangup to every process. Those started here inherit the hold and
    never see them, not even while they still import their modules; the main process gets them at
    the end.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Python's first spawn starts a helper, which would lift the hold: have it started before.
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*numbers, *HANGUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def interrupt_once(number: int, _: FrameType | None) -> None:
    """Raise KeyboardInterrupt for this Ctrl-C, and ignore those after it.

    A handler for SIGINT. People press Ctrl-C more than once, and a second one would hit what
    cleans up after the first.
    """
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def interrupted_once(*, ending: bool) -> Iterator[None]:
    """Answer Ctrl-C with `interrupt_once` within the `with` block.

    If the process is `ending` after it, Ctrl-C then ends it without a word: Python's own handler
    would show a traceback of its shutdown. A process that ignores Ctrl-C goes on to do so, and in
    another thread than the main one nothing happens.
    """
    before = signal.getsignal(signal.SIGINT)
    main_thread = threading.current_thread() is threading.main_thread()
    if before in (signal.SIG_IGN, None) or not main_thread:
        yield
        return
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if ending else before)


def usable_cores() -> int:
    """Cores this process may use: its affinity, where the system knows one.

    OMP_NUM_THREADS lowers it: by that, schedulers tell a task how many of a machine's cores are
    its own.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(allowed)) if allowed.isdecimal() and int(allowed) > 0 else cores


def keep_freed_memory() -> None:
    """Keep the memory of freed tensors for the next ones instead of giving it back each time.

    glibc maps every block above 128 kB anew and unmaps it afterwards, so that each result of an
    operation on a few thousand samples is first faulted in page by page: up to a third of an
    update. mallopt(3) moves the limits; where there is no glibc nothing happens.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 32 << 20)
        libc.mallopt(m_trim_threshold, 512 << 20)
