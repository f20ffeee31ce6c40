"""A run on this engine stops and goes on like one on Gymnasium's."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_training_loop import TOY, assert_same_run

from bipedal import training_loop
from bipedal.trainer import Progress

CONFIG = replace(TOY, engine="warp", evaluation_interval=8, final_episodes=0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("warp") / "run"
    assert training_loop.train(CONFIG, run_dir).finished
    return run_dir


def test_a_run_resumes_bit_for_bit(uninterrupted: Path, tmp_path: Path) -> None:
    """From the middle of episodes, which no replay of actions brings back."""
    iterations: list[int] = []

    def on_iteration(progress: Progress) -> None:
        iterations.append(progress.iteration)

    outcome = training_loop.train(
        CONFIG,
        tmp_path / "run",
        on_iteration=on_iteration,
        should_stop=lambda: len(iterations) == 3,
    )
    assert not outcome.finished
    assert training_loop.train(
        CONFIG, tmp_path / "run", resume=True, on_iteration=on_iteration
    ).finished
    assert iterations == list(range(1, 9))
    assert_same_run(tmp_path / "run", uninterrupted)
