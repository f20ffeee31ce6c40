"""Steps in one native call against the same steps with PyTorch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bipedal import ppo
from bipedal.adam import Adam
from bipedal.fused import steps
from bipedal.fused.network import room, supports
from bipedal.fused.steps import FusedSteps, fused_policy_steps, fused_value_steps, more_room
from bipedal.networks import Actor, Critic, flatten_parameters, gaussian_log_prob

LIMIT = 0.5
CLIP_RANGE, ENTROPY_COEFFICIENT = 0.2, 0.01


def nudge(module: nn.Module) -> None:
    """Move every parameter, so that none is at a special value."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def make(kind: type[Actor] | type[Critic], sizes: list[int], seed: int) -> tuple[Any, Adam]:
    """A network with widths from input to output, and its optimiser after a step or two."""
    torch.manual_seed(seed)
    observation_dim, *hidden, outputs = sizes
    module = (
        Actor(observation_dim, outputs, hidden_sizes=hidden, initial_log_std=-0.5)
        if kind is Actor
        else Critic(observation_dim, hidden_sizes=hidden)
    )
    nudge(module)
    optimizer = Adam(flatten_parameters(module), 3e-3, 1e-5)
    for _ in range(2):
        optimizer.gradient.normal_()
        optimizer.step()
    return module, optimizer


def make_batch(size: int, observation_dim: int, actor: Actor | None) -> ppo.Batch:
    observations = torch.randn(size, observation_dim)
    actions = log_probs = torch.zeros(size)
    if actor is not None:
        with torch.no_grad():
            log_std = actor.bounded_log_std()
            mean = actor(observations)
            actions = mean + log_std.exp() * torch.randn_like(mean)
            log_probs = gaussian_log_prob(mean, log_std, actions)
        log_probs = log_probs + 0.3 * torch.randn(size)  # as if the policy had moved
    return ppo.Batch(observations, actions, log_probs, torch.randn(size), torch.randn(size))


def fuse(module: Actor | Critic, optimizer: Adam, batch: ppo.Batch) -> FusedSteps:
    if isinstance(module, Critic):
        return fused_value_steps(
            module,
            optimizer,
            observations=batch.observations,
            returns=batch.returns,
            max_grad_norm=LIMIT,
        )
    return fused_policy_steps(
        module,
        optimizer,
        observations=batch.observations,
        actions=batch.actions,
        log_probs=batch.log_probs,
        advantages=batch.advantages,
        clip_range=CLIP_RANGE,
        entropy_coefficient=ENTROPY_COEFFICIENT,
        max_grad_norm=LIMIT,
    )


def plain_step(
    module: Actor | Critic, optimizer: Adam, batch: ppo.Batch, index: Tensor
) -> dict[str, Tensor]:
    """The step by `ppo.py`, and what it said."""
    known = ppo.UpdateSettings(1, 1, CLIP_RANGE, ENTROPY_COEFFICIENT, LIMIT)
    if isinstance(module, Critic):
        loss, norm = ppo.value_step(module, optimizer, batch, known, index)
        return {"losses": loss, "norms": norm}
    done = ppo.policy_step(module, optimizer, batch, known, index)
    return {
        "losses": done.loss,
        "entropies": done.entropy,
        "norms": done.norm,
        "log_ratios": done.log_ratio,
    }


def state(optimizer: Adam) -> Tensor:
    """Parameters and moments."""
    mean, square, count, _ = optimizer.memory()
    return torch.cat([optimizer.parameter.detach(), mean, square, count[None].float()])


widths = st.integers(1, 5).map(lambda count: 8 * count)


@given(
    st.sampled_from([Actor, Critic]),
    st.integers(1, 30),
    st.lists(widths, max_size=3),
    st.integers(1, 9),
    st.lists(st.integers(2, 150), min_size=1, max_size=3),
    st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_steps_are_those_of_pytorch(
    kind: type[Actor] | type[Critic],
    observation_dim: int,
    hidden: list[int],
    actions: int,
    sizes: list[int],
    seed: int,
) -> None:
    shape = [observation_dim, *hidden, actions if kind is Actor else 1]
    (module, optimizer), (other, plain) = make(kind, shape, seed), make(kind, shape, seed)
    batch = make_batch(200, observation_dim, module if kind is Actor else None)
    take = fuse(module, optimizer, batch)
    for size in sizes:
        index = torch.randperm(200)[:size]
        done, expected = take([index]), plain_step(other, plain, batch, index)
        for name, value in expected.items():
            found = getattr(done, name)
            torch.testing.assert_close(found, value.reshape(found.shape), rtol=2e-4, atol=2e-5)
        torch.testing.assert_close(state(optimizer), state(plain), rtol=2e-3, atol=1e-4)
        plain.parameter.data.copy_(optimizer.parameter.data)  # do not let differences grow


def test_one_call_takes_all_steps() -> None:
    module, optimizer = make(Actor, [24, 16, 16, 4], 0)
    other, plain = make(Actor, [24, 16, 16, 4], 0)
    batch = make_batch(300, 24, module)
    indices = list(torch.randperm(300).split([100, 64, 136]))
    done = fuse(module, optimizer, batch)(indices)
    again = fuse(other, plain, batch)
    one_by_one = [again([index]) for index in indices]
    assert torch.equal(state(optimizer), state(plain))
    for name in done._fields:
        parts = torch.cat([getattr(one, name) for one in one_by_one])
        assert torch.equal(getattr(done, name), parts), name


def test_a_fixed_deviation_has_no_part_in_the_norm_and_stays() -> None:
    (module, optimizer), (other, plain) = (make(Actor, [24, 8, 4], 1) for _ in range(2))
    for actor in (module, other):
        actor.std_bounds = (0.6, 0.6)
        actor.project_log_std()
    before = module.log_std.detach().clone()
    batch = make_batch(100, 24, module)
    index = torch.arange(100)
    done, expected = fuse(module, optimizer, batch)([index]), plain_step(other, plain, batch, index)
    assert float(done.norms) == pytest.approx(float(expected["norms"]), rel=1e-4)
    assert torch.equal(module.log_std, before)


def test_the_deviation_is_moved_back_within_its_bounds() -> None:
    module, optimizer = make(Actor, [24, 8, 4], 1)
    batch = make_batch(100, 24, module)
    module.std_bounds = (0.2, 0.3)
    fuse(module, optimizer, batch)([torch.arange(100)])
    bounds = torch.tensor([math.log(0.2), math.log(0.3)])
    assert ((module.log_std >= bounds[0]) & (module.log_std <= bounds[1])).all()


@pytest.mark.parametrize("kind", [Actor, Critic])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_broken_gradient_is_told_and_reaches_no_parameter(
    kind: type[Actor] | type[Critic], broken: float
) -> None:
    module, optimizer = make(kind, [24, 8, 4 if kind is Actor else 1], 2)
    batch = make_batch(100, 24, module if kind is Actor else None)
    (batch.advantages if kind is Actor else batch.returns)[7] = broken
    done = fuse(module, optimizer, batch)([torch.arange(100), torch.arange(20, 60)])
    assert [math.isfinite(norm) for norm in done.norms] == [False, True]
    assert torch.isfinite(state(optimizer)).all()


@pytest.mark.parametrize("width", [[24, 64, 64, 1], [3, 8, 1], [7, 8, 40, 16, 1], [1, 256, 1]])
def test_the_room_is_as_large_as_needed(width: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    needed = room(width) + more_room(width)
    monkeypatch.setattr(steps, "more_room", lambda width: more_room(width) + 100)
    module, optimizer = make(Critic, width, 3)
    batch = make_batch(100, width[0], None)
    take = fuse(module, optimizer, batch)
    (whole,) = (
        kept
        for kept in take._call._kept
        if isinstance(kept, Tensor) and kept.numel() == needed + 100
    )
    whole.fill_(7.0)
    take([torch.arange(100)])
    assert (whole[needed:] == 7.0).all()
    assert whole[needed - 1] != 7.0


@pytest.mark.parametrize(
    ("change", "supported"),
    [
        ({}, True),
        ({"hidden_sizes": (256, 8)}, True),
        ({"hidden_sizes": ()}, True),
        ({"hidden_sizes": (8,) * 15}, True),
        ({"hidden_sizes": (8,) * 16}, False),
        ({"hidden_sizes": (264,)}, False),
        ({"hidden_sizes": (12,)}, False),
        ({"activation": "tanh"}, False),
        ({"layer_norm": False}, False),
    ],
)
def test_other_networks_are_left_to_pytorch(change: dict[str, Any], supported: bool) -> None:
    assert supports(Critic(24, **change)) is supported
    assert supports(Actor(24, 4, **change)) is supported
    assert not supports(Critic(24, **change).to("meta"))


def test_more_actions_than_there_is_room_for_are_left_to_pytorch() -> None:
    assert supports(Actor(24, 64))
    assert not supports(Actor(24, 65))
