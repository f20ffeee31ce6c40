"""A step is done by all threads or by none, whatever interrupts the caller."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
import torch

from bipedal.engines.crew import Crew
from bipedal.engines.gymnasium import GymnasiumEngine
from bipedal.engines.warp import WarpEngine
from bipedal.walker import WALKER_ID, VectorEngine


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """As if somebody pressed Ctrl-C so much later."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(seconds, os.kill, args=(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)


def test_jobs_are_done_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=10.0)

    def wait() -> None:
        meeting.wait()

    with closing(Crew(3)) as crew:
        crew.run([wait] * 3)  # each waits for the other two


@pytest.mark.parametrize("place", [0, 1])
def test_an_error_in_any_thread_arrives_and_the_crew_goes_on(place: int) -> None:
    def fail() -> None:
        raise OSError("broken")

    jobs: list[Callable[[], None]] = [lambda: None, lambda: None]
    with closing(Crew(2)) as crew:
        with pytest.raises(OSError, match="broken"):
            crew.run([*jobs[:place], fail, *jobs[place + 1 :]])
        done: list[int] = []
        crew.run([lambda: done.append(1), lambda: done.append(2)])
        assert sorted(done) == [1, 2]


def test_an_interrupted_call_returns_when_its_jobs_are_done() -> None:
    done: list[int] = []

    def work() -> None:
        time.sleep(0.3)
        done.append(1)

    with closing(Crew(2)) as crew, pytest.raises(KeyboardInterrupt), interrupted_after(0.05):
        crew.run([work, work])
    assert done == [1, 1]


def test_a_second_interrupt_breaks_off_and_the_crew_says_so() -> None:
    release = threading.Event()

    def wait() -> None:
        release.wait(30.0)

    with closing(Crew(2)) as crew:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), interrupted_after(0.05), interrupted_after(0.2):
            crew.run([lambda: None, wait])
        assert time.monotonic() - began < 10.0
        release.set()
        with pytest.raises(RuntimeError, match="broken off"):
            crew.run([lambda: None])


def test_other_threads_may_run_a_crew() -> None:
    done: list[int] = []
    with closing(Crew(2)) as crew:
        other = threading.Thread(target=crew.run, args=([lambda: done.append(1)] * 2,))
        other.start()
        other.join()
    assert done == [1, 1]


def test_a_handler_of_the_callers_own_is_asked_and_stays() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with closing(Crew(2)) as crew:
            crew.run([lambda: signal.raise_signal(signal.SIGINT), lambda: None])
        assert heard == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
        assert heard == [signal.SIGINT] * 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_closed_crew_refuses() -> None:
    crew = Crew(1)
    crew.close()
    crew.close()
    with pytest.raises(ValueError, match="closed"):
        crew.run([lambda: None])


def test_a_crew_that_nobody_holds_ends_its_threads() -> None:
    before = set(threading.enumerate())
    crew = Crew(3)
    crew.run([lambda: None])
    threads = set(threading.enumerate()) - before
    assert len(threads) == 2
    del crew
    gc.collect()
    for thread in threads:
        thread.join(timeout=10.0)
    assert not any(thread.is_alive() for thread in threads)


def make_warp() -> VectorEngine:
    return WarpEngine(WALKER_ID, 64, 3, threads=2)


def make_gymnasium() -> VectorEngine:
    return GymnasiumEngine(WALKER_ID, 4, 3, workers=2)


@pytest.mark.parametrize(
    "make", [make_warp, pytest.param(make_gymnasium, marks=pytest.mark.reference)]
)
def test_after_interrupts_every_environment_has_taken_the_same_steps(
    make: Callable[[], VectorEngine],
) -> None:
    """Observations are those of an engine that was never interrupted, after as many steps."""
    with closing(make()) as engine, closing(make()) as reference:
        actions = torch.zeros(engine.num_envs, 4)
        engine.reset()
        expected = [reference.reset().clone()]
        expected += [reference.step(actions).observation.clone() for _ in range(60)]
        taken = interrupts = 0
        delay = 0.0002
        while taken < 40:
            try:
                with interrupted_after(delay):
                    for _ in range(5):
                        seen = engine.step(actions).observation
                        taken += 1
            except KeyboardInterrupt:
                interrupts += 1
            delay = 0.0002 + (delay * 1.7) % 0.004
            seen = engine.step(actions).observation
            matches = [n for n, row in enumerate(expected) if torch.equal(row, seen)]
            assert matches, "some environments are a step ahead of the others"
            taken = matches[0]
    assert interrupts > 3
