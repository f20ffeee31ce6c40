"""A run goes on from its state alone: one that does not fit it is refused, and harms nothing."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bipedal import training_loop
from bipedal.config import TrainConfig
from bipedal.errors import UserError
from bipedal.presets import DEFAULT
from bipedal.resume import check_like, state_path
from bipedal.trainer import Trainer

TOY = replace(
    DEFAULT,
    num_envs=4,
    rollout_steps=64,
    minibatch_size=128,
    epochs=1,
    hidden_sizes=(8,),
    total_timesteps=1024,
    evaluation_interval=0,
    best_by="training",
    device="cpu",
)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its first iteration."""
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    assert not training_loop.train(TOY, run_dir, should_stop=lambda: True).finished
    return run_dir


def parts(state: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where tensors and numbers lie in a state."""
    if isinstance(state, dict):
        return [place for key, value in state.items() for place in parts(value, (*path, key))]
    if isinstance(state, list) and state and isinstance(state[0], dict):
        return [place for key, value in enumerate(state) for place in parts(value, (*path, key))]
    return [path]


def resumed(run_dir: Path, config: TrainConfig, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the state of a run, try to go on, and put the state back."""
    path = state_path(run_dir)
    sound = path.read_bytes()
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)
    try:
        training_loop.train(config, run_dir, resume=True, should_stop=lambda: True)
    finally:
        path.write_bytes(sound)


REFUSED = r"does not fit|another version|damaged|the saved state has \d+ environments"
ODD: tuple[Any, ...] = (
    None, "text", -1, 10**30, math.nan, [], {}, torch.zeros(0), torch.zeros(7, dtype=torch.int32),
)  # fmt: skip


def test_any_part_that_is_something_else_is_refused(stopped: Path) -> None:
    places = parts(torch.load(state_path(stopped), weights_only=True))
    assert len(places) > 40
    untouched = ("param_groups", "recent_returns", "curriculum", "replay")
    for index, place in enumerate(places):
        if set(place) & set(untouched):
            continue
        for number, odd in enumerate(ODD):

            def put(state: dict[str, Any], place: Any = place, odd: Any = odd) -> None:
                for key in place[:-1]:
                    state = state[key]
                state[place[-1]] = odd

            if number % 3 == index % 3:  # a third of them for each place
                with pytest.raises(UserError, match=REFUSED):
                    resumed(stopped, TOY, put)
    assert training_loop.train(TOY, stopped, resume=True, should_stop=lambda: True).timesteps > 256


@pytest.mark.parametrize("name", ["mean", "square", "steps"])
@pytest.mark.parametrize(
    "tensor", [torch.zeros(3), torch.zeros((), dtype=torch.float64), torch.zeros(1, 1)]
)
def test_moments_of_another_parameter_are_refused(
    stopped: Path, name: str, tensor: torch.Tensor
) -> None:
    def put(state: dict[str, Any]) -> None:
        state["actor_optimizer"][name] = tensor

    with pytest.raises(UserError, match="does not fit this run's configuration"):
        resumed(stopped, TOY, put)


def test_a_run_goes_on_on_another_device_with_a_generator_of_its_own(stopped: Path) -> None:
    """The state of a GPU's generator is 16 bytes."""
    drawn = []
    for seed in (1, 1, 2):
        trainer = Trainer(TOY, stopped)
        with closing(trainer):
            state = trainer.state()
            state["generator"] = torch.full((16,), seed, dtype=torch.uint8)
            check_like(state, trainer.state())
            trainer.restore(state)
            drawn.append(torch.rand(3, generator=trainer.generator).tolist())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("rate", [math.nan, -1.0, 1e9, 1, "0.1", None])
def test_an_odd_learning_rate_is_refused(stopped: Path, rate: object) -> None:
    def put(state: dict[str, Any]) -> None:
        state["critic_optimizer"]["rate"] = rate

    with pytest.raises(UserError, match="does not fit this run's configuration"):
        resumed(stopped, TOY, put)


def test_a_state_is_compared_part_by_part() -> None:
    like = {"a": torch.zeros(2), "b": [1.0], "c": 1, "d": 0.5, "e": None, "engine": 1}
    check_like({**like, "b": [1.0, 2.0], "c": 7, "engine": "its own business"}, like)
    check_like({**like, "d": -math.inf}, like)
    for name, value in (
        ("a", torch.zeros(3)),
        ("a", torch.zeros(2, dtype=torch.float64)),
        ("b", [1]),
        ("b", (1.0,)),
        ("c", True),
        ("c", 1.0),
        ("c", -1),
        ("d", math.nan),
        ("d", 1),
        ("e", 0),
    ):
        with pytest.raises(ValueError):
            check_like({**like, name: value}, like)
    with pytest.raises(ValueError):
        check_like({"a": torch.zeros(2)}, like)
