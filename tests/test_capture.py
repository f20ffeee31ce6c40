"""A function does the same as a recording: what CUDA graphs need, shown on a CPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from recorder import recording
from test_training_loop import TOY, assert_resumes_exactly, assert_same_run, read_rows
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bipedal import capture, ppo, training_loop
from bipedal.adam import Adam
from bipedal.capture import Captured
from bipedal.config import TrainConfig
from bipedal.device import CPU
from bipedal.initial import new_policy
from bipedal.networks import flatten_parameters
from bipedal.normalizer import RewardScaler
from bipedal.rollout import Collector
from bipedal.shaping import Shaping
from bipedal.walker import OBSERVATION_DIM, Step

ELSEWHERE = torch.device("meta")
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


@pytest.mark.usefixtures("without_native_code")
@pytest.mark.parametrize("name", TRAININGS)
def test_a_recorded_training_has_the_bits_of_a_plain_one(name: str, tmp_path: Path) -> None:
    config: TrainConfig = TRAININGS[name]
    training_loop.train(config, tmp_path / "plain")
    with recording() as made:
        training_loop.train(config, tmp_path / "recorded")
    assert_same_run(tmp_path / "plain", tmp_path / "recorded")
    # The rollout, the scale of rewards, advantages, and a step of each network, for two sizes of
    # minibatches where there is a remainder; and each evaluation of a policy without a memory.
    remainder = config.batch_size % config.minibatch_size != 0
    fixed = math.isclose(config.std_min, config.final_std_max)
    evaluations = len(read_rows(tmp_path / "plain" / "evaluations.csv")) * (config.frames == 1)
    assert evaluations > 0 or config.frames > 1
    assert len(made) == 5 + (2 * remainder) + (fixed * (1 + remainder)) + evaluations


def test_a_recorded_training_resumes_exactly(tmp_path: Path) -> None:
    with recording():
        assert_resumes_exactly(replace(TOY, frames=2), tmp_path, stop_after=3)


class ElsewhereEngine:
    """An engine on another device, as far as its tensors go."""

    device = ELSEWHERE
    num_envs = 6

    def reset(self) -> Tensor:
        return torch.zeros(self.num_envs, OBSERVATION_DIM, device=ELSEWHERE)

    def step(self, actions: Tensor) -> Step:
        assert actions.device == ELSEWHERE
        observation, flags = self.reset(), torch.zeros(self.num_envs, device=ELSEWHERE).bool()
        number = torch.zeros(self.num_envs, dtype=torch.float64, device=ELSEWHERE)
        return Step(observation, number, flags, flags, observation, number)

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> Tensor:
        return self.reset()

    def close(self) -> None:
        pass


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors elsewhere: a graph would copy what they held."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            assert not isinstance(value, Tensor) or value.device == ELSEWHERE, func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("frames", [1, 3])
def test_what_is_recorded_stays_on_one_device(frames: int) -> None:
    """Tensors on "meta" have no values: a look at one is an error."""
    config = replace(TOY, frames=frames, num_envs=6, rollout_steps=4)
    policy = new_policy(config).to(ELSEWHERE)
    collector = Collector(
        ElsewhereEngine(),
        policy,
        RewardScaler(6, 0.9).to(ELSEWHERE),
        steps=4,
        generator=torch.Generator(),
        shaping=Shaping(-100.0, 0.3, 0.5),
        endless_course=True,
    )
    with OneDevice():  # type: ignore[no-untyped-call]
        rollout = collector.rollout
        with torch.no_grad():
            collector._play_all()
            collector.reward_scaler(rollout.rewards, rollout.done)
            advantages = ppo.generalized_advantages(
                *rollout[3:], gamma=collector.reward_scaler.gamma, gae_lambda=0.9
            )
        assert advantages.device == ELSEWHERE
        batch = ppo.Batch(
            rollout.observations.flatten(0, 1),
            rollout.actions.flatten(0, 1),
            rollout.log_probs.flatten(),
            advantages.flatten(),
            rollout.values.flatten(),
        )
        index = torch.zeros(8, dtype=torch.int64, device=ELSEWHERE)
        settings = ppo.UpdateSettings(2, 8, 0.2, 0.01, 0.5)
        for module, step in ((policy.actor, ppo.policy_step), (policy.critic, ppo.value_step)):
            optimizer = Adam(flatten_parameters(module), 0.1, 1e-5)
            for result in step(module, optimizer, batch, settings, index):  # type: ignore[arg-type]
                assert result.device == ELSEWHERE
