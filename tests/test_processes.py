"""What this process asks of the system, and how it answers signals."""

import signal
import subprocess
import sys
import threading

import pytest

from bipedal.processes import interrupted_once, signals_held

COUNT_FAULTS = """
import resource
import torch
from bipedal.processes import keep_freed_memory


def share_faulted_in(sizes):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for pages in sizes:
        torch.zeros(pages * 1024).add(1.0)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (2 * sum(sizes))


torch.set_num_threads(1)
# Each tensor is larger than any before: glibc maps what it has not seen freed anew.
print(share_faulted_in(range(256, 2048, 64)))
keep_freed_memory()
print(share_faulted_in(range(2048, 4096, 64)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_freed_memory_is_not_faulted_in_again() -> None:
    command = [sys.executable, "-c", COUNT_FAULTS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, after = map(float, done.stdout.split())
    assert before > 0.9  # else the next line would show nothing
    assert after < 0.2


def test_only_the_first_interrupt_counts() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cleaned_up = False
        with pytest.raises(KeyboardInterrupt), interrupted_once(ending=False):
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)
                cleaned_up = True
        assert cleaned_up
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with interrupted_once(ending=True):
            pass
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupts_that_are_ignored_stay_so() -> None:
    """As in a script's background job."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupted_once(ending=True):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_interrupts_alone() -> None:
    handlers = []

    def look() -> None:
        with interrupted_once(ending=True):
            handlers.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [before]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows holds nothing back")
def test_a_hangup_is_held_back_with_the_others() -> None:
    with signals_held(signal.SIGINT):
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert {signal.SIGINT, signal.SIGHUP} <= held
