"""A function does the same as a recording: what CUDA graphs need, shown on a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from recorder import recording
from test_training_loop import TOY, assert_resumes_exactly, assert_same_run
from torch import Tensor

from bipedal import capture, training_loop
from bipedal.capture import Captured
from bipedal.config import TrainConfig

CPU = torch.device("cpu")
HARDCORE = replace(
    TOY,
    env_id="BipedalWalkerHardcore-v3",
    total_timesteps=6 * 256,
    endless_course=True,
    reward_floor=-10.0,
    entropy_coefficient=0.01,
)
TRAININGS = {
    "annealed, with a remainder of minibatches": replace(TOY, minibatch_size=60),
    "a memory that a rollout does not fill evenly": replace(
        TOY, frames=3, frame_stride=2, rollout_steps=66
    ),
    "falls played again": replace(TOY, replay_falls=0.5, rollout_steps=32),
    "noise that restarts": replace(
        TOY, anneal_timesteps=3 * 256, restart_std_max=0.3, torque_share=0.9
    ),
    "obstacles": HARDCORE,
    "a standard deviation without room, later": replace(
        HARDCORE, std_min=0.5, std_max=0.61, final_std_max=0.5, restart_std_max=0.5,
        anneal_timesteps=3 * 256,
    ),
}  # fmt: skip


def double(tensor: Tensor) -> Tensor:
    return 2.0 * tensor


class TestCaptured:
    def test_on_a_cpu_it_only_calls(self) -> None:
        given = torch.ones(2)
        assert Captured(lambda tensor: tensor, CPU)(given) is given

    def test_a_replay_takes_new_inputs_and_what_its_own_tensors_hold_now(self) -> None:
        offset = torch.zeros(())
        with recording() as made:
            add = Captured(lambda tensor: (tensor * 2.0 + offset).sum(), CPU)
            found = []
            for number in range(5):
                offset.fill_(100.0 * number)
                found.append(float(add(torch.full((3,), float(number)))))
        assert found == [306.0 * number for number in range(5)]
        assert len(made) == 1

    def test_each_shape_and_variant_has_its_own(self) -> None:
        with recording() as made:
            captured = Captured(double, CPU)
            for _ in range(3):
                for size, variant in ((2, None), (3, None), (3, "other")):
                    result = captured(torch.ones(size), variant=variant)
                    assert result.tolist() == [2.0] * size
        assert len(made) == 3

    def test_a_number_is_recorded_as_it_was(self) -> None:
        """So what changes must be a tensor, and the recorder would show if it were not."""
        factors = iter([1.0, 2.0, 3.0, 4.0])
        with recording():
            captured = Captured(lambda tensor: next(factors) * tensor, CPU)
            assert [float(captured(torch.ones(()))) for _ in range(4)] == [1.0, 2.0, 2.0, 2.0]

    @pytest.mark.parametrize(
        "look",
        [
            lambda tensor: tensor.sum().item(),
            lambda tensor: tensor.tolist(),
            lambda tensor: tensor[tensor > 0.0],
            lambda tensor: bool(tensor.any()),
        ],
    )
    def test_a_look_at_a_value_is_refused(self, look: Callable[[Tensor], object]) -> None:
        with recording(), pytest.raises(AssertionError, match="waits for the GPU"):
            captured = Captured(look, CPU)
            captured(torch.ones(2))
            captured(torch.ones(2))

    def test_only_cuda_records(self) -> None:
        assert capture.records(torch.device("cuda", 0))
        assert not capture.records(CPU)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_recorded_training_has_the_bits_of_a_plain_one(name: str, tmp_path: Path) -> None:
    config: TrainConfig = TRAININGS[name]
    training_loop.train(config, tmp_path / "plain")
    with recording() as made:
        training_loop.train(config, tmp_path / "recorded")
    assert_same_run(tmp_path / "plain", tmp_path / "recorded")
    # The rollout, the scale of rewards, advantages, and a step of each network, for two sizes of
    # minibatches where there is a remainder.
    remainder = config.batch_size % config.minibatch_size != 0
    fixed = math.isclose(config.std_min, config.final_std_max)
    assert len(made) == 5 + (2 * remainder) + (fixed * (1 + remainder))


def test_a_recorded_training_resumes_exactly(tmp_path: Path) -> None:
    with recording():
        assert_resumes_exactly(replace(TOY, frames=2), tmp_path, stop_after=3)
