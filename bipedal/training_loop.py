"""The loop of a run: iterate, save, stop; and its exact continuation.

A run saves its whole state (`saved_models/resume.pt`) at the end of an iteration whenever
`SAVE_SECONDS` have passed since the last time. Saving reads and changes nothing, so *when*
it happens leaves no trace in the results: on one machine and thread count, a run that was stopped
or killed and resumed gives the same bits as one that was not.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bipedal import ppo
from bipedal.config import TrainConfig
from bipedal.errors import RunFailedError
from bipedal.files import reason
from bipedal.initial import with_real_sizes
from bipedal.logs import RunLog
from bipedal.networks import one_thread_an_operation
from bipedal.presets import check_start
from bipedal.resume import restore_run, save_run
from bipedal.run_directory import (
    check_run_name,
    continue_run,
    discard_run,
    lock_run,
    make_run_dir,
    prepare_run,
)
from bipedal.trackers import Tracker, TrackerName, import_tracker
from bipedal.trainer import Progress, Trainer

SAVE_SECONDS = 15.0
"""Work that a kill may cost, plus at most one iteration."""


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    run_dir: Path
    timesteps: int
    elapsed: float
    finished: bool
    """False if it was asked to stop before the last iteration."""
    solved: bool
    """Whether it ended early because the environment was solved."""


def train(
    config: TrainConfig,
    run_dir: Path,
    *,
    resume: bool = False,
    on_iteration: Callable[[Progress], None] = lambda progress: None,
    on_phase: Callable[[str], None] = lambda phase: None,
    should_stop: Callable[[], bool] = lambda: False,
    log_to: TrackerName | None = None,
) -> Outcome:
    """Train until the environment is solved or `config.total_timesteps` are done.

    `on_phase` is told when an iteration is to evaluate or to confirm. `should_stop()`, asked at
    each iteration's end, may stop it before. With `log_to` an experiment tracker gets what the
    run's tables get.

    A new run needs a directory without one (`UserError` otherwise); with `resume` it
    goes on from the last saved state. Raises `RunFailedError` if the job cannot go on: a
    loss that is not finite, a disk that is full. The last good models and state stay as they are.
    """
    check_start(config)
    check_run_name(run_dir)
    if log_to is not None:
        import_tracker(log_to)
    if not resume:
        config = with_real_sizes(config)
        config.validate()
        make_run_dir(run_dir)  # where the lock lies
    with ExitStack() as stack:
        stack.enter_context(one_thread_an_operation())
        stack.enter_context(lock_run(run_dir))
        if resume:
            continue_run(run_dir, config)
        else:
            prepare_run(run_dir, config)
        tracker = None
        try:
            if log_to is not None:
                tracker = stack.enter_context(closing(Tracker(log_to, run_dir, config)))
            trainer = Trainer(config, run_dir, on_phase)
        except BaseException:
            if not resume:
                discard_run(run_dir)
            raise
        stack.enter_context(closing(trainer))
        try:
            if resume:
                restore_run(trainer)
            with _writing_to(run_dir):
                log = RunLog(
                    run_dir,
                    iteration=trainer.iteration,
                    timesteps=trainer.timesteps,
                    tracker=tracker,
                )
            stack.enter_context(closing(log))
            return _loop(trainer, log, on_iteration, should_stop)
        except ppo.NonFiniteLossError as error:
            raise RunFailedError(
                f"training stopped at timestep {trainer.timesteps}: {error}; the models saved so "
                "far are good, try a smaller learning rate"
            ) from None


@contextmanager
def _writing_to(run_dir: Path) -> Iterator[None]:
    """Raise `RunFailedError` if the run's directory takes no more."""
    try:
        yield
    except OSError as error:
        remedy = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"
        raise RunFailedError(
            f"cannot write to {run_dir}: {reason(error)}; {remedy} and go on with --resume"
        ) from None


def _loop(
    trainer: Trainer,
    log: RunLog,
    on_iteration: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Outcome:
    last_save = time.monotonic()
    stopped = False
    while not trainer.finished and not stopped:
        with _writing_to(trainer.run_dir):
            progress = trainer.iterate(log)
        on_iteration(progress)
        stopped = should_stop()
        if time.monotonic() - last_save > SAVE_SECONDS:
            _save(trainer, log)
            last_save = time.monotonic()
    _save(trainer, log)
    if trainer.finished:
        with _writing_to(trainer.run_dir):
            trainer.finish()
    return Outcome(
        run_dir=trainer.run_dir,
        timesteps=trainer.timesteps,
        elapsed=trainer.elapsed,
        finished=trainer.finished,
        solved=trainer.solved,
    )


def _save(trainer: Trainer, log: RunLog) -> None:
    """Save the state, and before it the rows that it counts as written."""
    with _writing_to(trainer.run_dir):
        log.flush()
        save_run(trainer)
