"""An iteration against a plain one, written out without a rollout's memory, capture or threads."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_training_loop import TOY
from torch import Tensor, nn

from bipedal import ppo, schedules
from bipedal.adam import Adam
from bipedal.config import TrainConfig
from bipedal.engines.warp import WarpEngine
from bipedal.errors import RunFailedError
from bipedal.history import History
from bipedal.initial import new_policy
from bipedal.learner import Learner
from bipedal.networks import flatten_parameters, gaussian_entropy, gaussian_log_prob
from bipedal.policy import Policy
from bipedal.seeds import row_seeds
from bipedal.shaping import Shaping

SMALL = replace(TOY, rollout_steps=66, minibatch_size=50, torque_share=0.9, final_torque_share=0.9)
CONFIGS = {
    "annealed": SMALL,
    "with a memory": replace(SMALL, frames=3, frame_stride=2),
    "endless obstacles": replace(
        SMALL, env_id="BipedalWalkerHardcore-v3", endless_course=True, entropy_coefficient=0.01
    ),
    "tanh, an odd number of environments": replace(
        SMALL, activation="tanh", layer_norm=False, num_envs=5
    ),
}

STATISTICS = ("policy_loss", "entropy", "approx_kl", "clip_fraction", "value_loss")


class PlainStatistics:
    """A running mean and variance in plain numbers of float64."""

    def __init__(self, statistics: Any) -> None:
        self.statistics = statistics

    def update(self, batch: Tensor) -> None:
        own = self.statistics
        variance, mean = torch.var_mean(batch.double(), dim=0, correction=0)
        weight = len(batch) / (float(own.count) + len(batch))
        delta = mean - own.mean
        own.mean = own.mean.add(delta, alpha=weight)
        own.var = own.var.lerp(variance, weight)
        own.var = own.var.addcmul(delta, delta, value=weight * (1.0 - weight))
        own.count = own.count + len(batch)


class PlainScale:
    """Rewards divided by the deviation of the discounted return."""

    def __init__(self, num_envs: int) -> None:
        self.mean, self.var = torch.zeros((), dtype=torch.float64), torch.ones(()).double()
        self.count = torch.tensor(1e-4, dtype=torch.float64)
        self.discounted = torch.zeros(num_envs, dtype=torch.float64)

    def __call__(self, rewards: Tensor, done: Tensor, gamma: float) -> Tensor:
        rows = []
        for reward, over in zip(rewards, done, strict=True):
            self.discounted = self.discounted * gamma + reward
            rows.append(self.discounted)
            self.discounted = self.discounted * (~over).double()
        PlainStatistics(self).update(torch.stack(rows).flatten())
        return (rewards / torch.sqrt(self.var + 1e-8)).clamp(-10.0, 10.0).float()


def plain_iterations(config: TrainConfig, policy: Policy, count: int) -> Iterator[list[float]]:
    """Train `policy`; yields the `STATISTICS` of each iteration."""
    generator = torch.Generator().manual_seed(config.seed)
    optimizers = [
        Adam(flatten_parameters(module), 0.0, config.adam_epsilon)
        for module in (policy.actor, policy.critic)
    ]
    shaping = Shaping(config.reward_floor, config.posture_cost, config.torque_share)
    scale = PlainScale(config.num_envs)
    seeds = row_seeds(config.seed, config.num_envs)
    with closing(WarpEngine(config.env_id, config.num_envs, seeds)) as engine:
        history = History(policy.frame_stack, engine.reset())
        for iteration in range(count):
            values = schedules.hyperparameters(config, iteration * config.batch_size)
            optimizers[0].set_rate(values.policy_learning_rate)
            optimizers[1].set_rate(values.critic_learning_rate)
            policy.actor.std_bounds = (config.std_min, values.std_max)
            policy.actor.project_log_std()
            with torch.no_grad():
                rows, raw = collect(config, policy, engine, history, generator)
                shaped = shaping(raw["rewards"], raw["observations"], rows["actions"])
                rewards = scale(shaped, rows["done"], values.gamma)
                PlainStatistics(policy.normalizer).update(raw["observations"].flatten(0, 1))
                advantages = ppo.generalized_advantages(
                    rewards, rows["values"], rows["next_values"], rows["terminated"], rows["done"],
                    gamma=values.gamma, gae_lambda=config.gae_lambda,
                )  # fmt: skip
            batch = ppo.Batch(
                rows["observations"].flatten(0, 1),
                rows["actions"].flatten(0, 1),
                rows["log_probs"].flatten(),
                advantages.flatten(),
                (advantages + rows["values"]).flatten(),
            )
            yield improve(config, policy, optimizers, batch, generator)


def collect(
    config: TrainConfig,
    policy: Policy,
    engine: WarpEngine,
    history: History,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Play a rollout; returns what the update reads, and raw rewards and observations."""
    steps: list[dict[str, Tensor]] = []
    log_std = policy.actor.bounded_log_std()
    noise = torch.randn((config.rollout_steps, config.num_envs, 4), generator=generator)
    for disturbance in noise:
        frames = history.frames().clone()
        observations = policy.network_input(frames)
        means = policy.actor(observations)
        actions = disturbance * log_std.exp() + means
        step = engine.step(actions)
        final = history.frames_after(step.final_observation).clone()
        history.push(step.observation, step.done)
        steps.append(
            {"raw": frames[:, 0], "observations": observations, "means": means, "actions": actions,
             "rewards": step.reward.clone(), "terminated": step.terminated.clone(),
             "done": step.done, "final": final}
        )  # fmt: skip
    rows = {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
    if config.endless_course:
        rows["terminated"] &= rows["rewards"] == -100.0
    rows["log_probs"] = gaussian_log_prob(rows["means"], log_std, rows["actions"])
    rows["values"] = policy.critic(rows["observations"])
    waiting = policy.critic(policy.network_input(history.frames()))
    rows["next_values"] = torch.cat([rows["values"][1:], waiting[None]])
    cut = rows["done"] & ~rows["terminated"]
    rows["next_values"][cut] = policy.critic(policy.network_input(rows["final"][cut]))
    return rows, {"rewards": rows["rewards"], "observations": rows["raw"]}


def improve(
    config: TrainConfig,
    policy: Policy,
    optimizers: list[Adam],
    batch: ppo.Batch,
    generator: torch.Generator,
) -> list[float]:
    """Epochs of minibatch steps; returns the last one's means, as in `STATISTICS`."""

    def step(optimizer: Adam, loss: Tensor) -> None:
        optimizer.gradient.zero_()
        loss.backward()
        nn.utils.clip_grad_norm_(optimizer.parameter, config.max_grad_norm)
        optimizer.step()

    size, minibatch_size, actor = len(batch.returns), config.minibatch_size, policy.actor
    for order in [torch.randperm(size, generator=generator) for _ in range(config.epochs)]:
        rows, value_losses = [], []
        starts = range(0, size // minibatch_size * minibatch_size, minibatch_size)
        for start in starts:
            stop = size if start == starts[-1] else start + minibatch_size
            part = ppo.Batch(*(column[order[start:stop]] for column in batch))
            log_std = actor.bounded_log_std()
            log_prob = gaussian_log_prob(actor(part.observations), log_std, part.actions)
            log_ratio = log_prob - part.log_probs
            policy_loss = ppo.clipped_surrogate_loss(
                log_ratio, ppo.normalize_advantages(part.advantages), config.clip_range
            )
            entropy = gaussian_entropy(log_std)
            step(optimizers[0], policy_loss - config.entropy_coefficient * entropy)
            actor.project_log_std()
            value_loss = ppo.value_loss(policy.critic(part.observations), part.returns)
            step(optimizers[1], value_loss)
            clipped = (torch.expm1(log_ratio).abs() > config.clip_range).float().mean()
            kl = ppo.approximate_kl(log_ratio)
            rows.append(torch.stack([policy_loss, entropy, kl, clipped]).detach())
            value_losses.append(value_loss.detach())
    return [*torch.stack(rows).mean(0).tolist(), float(torch.stack(value_losses).mean())]


@pytest.mark.usefixtures("without_native_code")
@pytest.mark.parametrize("name", CONFIGS)
def test_an_iteration_has_the_bits_of_a_plain_one(name: str) -> None:
    config = CONFIGS[name]
    plain = new_policy(config)
    policy = copy.deepcopy(plain)
    learner = Learner(config, policy, torch.Generator().manual_seed(config.seed))
    with closing(learner):
        expected = plain_iterations(config, plain, 5)
        for iteration, statistics in enumerate(expected):
            metrics = learner.learn(iteration * config.batch_size).metrics
            assert [metrics[f"losses/{name}"] for name in STATISTICS] == statistics, iteration
    for key, value in policy.state_dict().items():
        assert torch.equal(value, plain.state_dict()[key]), key


def test_an_iteration_with_native_steps_says_what_a_plain_one_says() -> None:
    policy = new_policy(SMALL)
    plain = copy.deepcopy(policy)
    with closing(Learner(SMALL, policy, torch.Generator().manual_seed(SMALL.seed))) as learner:
        metrics = learner.learn(0).metrics
    found = [metrics[f"losses/{name}"] for name in STATISTICS]
    assert found == pytest.approx(next(plain_iterations(SMALL, plain, 1)), rel=1e-3, abs=1e-6)
    for key, value in policy.state_dict().items():
        torch.testing.assert_close(value, plain.state_dict()[key], rtol=1e-3, atol=1e-5)


def test_an_environment_that_does_not_fit_is_seen_after_a_rollout_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There a step does not wait for the answer; a stand-in says that the engine is there."""

    def overflow() -> None:
        raise RunFailedError("too many boxes")

    learner = Learner(SMALL, new_policy(SMALL), torch.Generator())
    with closing(learner):
        standin = SimpleNamespace(device=torch.device("cuda"), check_overflow=overflow)
        monkeypatch.setattr(learner, "engine", standin)
        with pytest.raises(RunFailedError, match="too many boxes"):
            learner.learn(0)
        monkeypatch.undo()
