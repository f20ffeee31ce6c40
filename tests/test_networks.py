import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bipedal.layer_norm import LayerNorm
from bipedal.networks import (
    Activation,
    Actor,
    Critic,
    flatten_parameters,
    gaussian_log_prob,
    make_mlp,
    may_overflow,
)


def make_actor(**options: object) -> Actor:
    return Actor(24, 4, **options)  # type: ignore[arg-type]


def test_seed_layout_is_the_notebooks() -> None:
    actor = make_actor(hidden_sizes=(256, 256))
    kinds = [type(layer) for layer in actor.net]
    block = [nn.Linear, LayerNorm, nn.ReLU]
    assert kinds == [*block, *block, nn.Linear]
    shapes = {name: tuple(value.shape) for name, value in actor.state_dict().items()}
    assert shapes == {
        "log_std": (4,),
        "net.0.weight": (256, 24),
        "net.0.bias": (256,),
        "net.1.weight": (256,),
        "net.1.bias": (256,),
        "net.3.weight": (256, 256),
        "net.3.bias": (256,),
        "net.4.weight": (256,),
        "net.4.bias": (256,),
        "net.6.weight": (4, 256),
        "net.6.bias": (4,),
    }


@pytest.mark.parametrize(("activation", "kind"), [("relu", nn.ReLU), ("tanh", nn.Tanh)])
def test_layer_norm_is_optional(activation: Activation, kind: type[nn.Module]) -> None:
    critic = Critic(24, hidden_sizes=(8,), activation=activation, layer_norm=False)
    assert [type(layer) for layer in critic.net] == [nn.Linear, kind, nn.Linear]


def test_mean_is_bounded_and_value_has_no_trailing_dimension() -> None:
    actor, critic = make_actor(), Critic(24)
    observations = 1000 * torch.randn(5, 3, 24)
    assert actor(observations).shape == (5, 3, 4)
    assert bool((actor(observations).abs() <= 1.0).all())
    assert critic(observations).shape == (5, 3)


def test_initialisation_is_orthogonal() -> None:
    actor, critic = make_actor(hidden_sizes=(64, 64)), Critic(24)
    for net, gain in ((actor.net, 0.01), (critic.net, 1.0)):
        layers = [layer for layer in net if isinstance(layer, nn.Linear)]
        square = layers[1].weight
        torch.testing.assert_close(square @ square.T, 2.0 * torch.eye(64), atol=1e-5, rtol=0)
        last = layers[-1].weight
        expected = gain**2 * torch.eye(len(last))
        torch.testing.assert_close(last @ last.T, expected, atol=1e-5, rtol=0)
        assert all(bool((layer.bias == 0).all()) for layer in layers)


def test_a_generator_decides_the_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        actor = make_actor(generator=torch.Generator().manual_seed(seed))
        return next(actor.net.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_standard_deviation_is_bounded_and_comes_back() -> None:
    actor = make_actor(initial_log_std=0.0, std_min=0.1, std_max=0.5)
    assert actor.bounded_log_std().exp().tolist() == pytest.approx([0.5] * 4)
    actor.project_log_std()
    assert actor.log_std.tolist() == pytest.approx([math.log(0.5)] * 4)
    actor.bounded_log_std().sum().backward()
    assert actor.log_std.grad is not None and actor.log_std.grad.tolist() == [1.0] * 4


def test_actor_and_critic_share_nothing() -> None:
    actor, critic = make_actor(), Critic(24)
    theirs = {id(p) for p in critic.parameters()}
    assert not theirs & {id(p) for p in actor.parameters()}


class TestFlattenParameters:
    def setup_method(self) -> None:
        torch.manual_seed(0)
        self.plain = Actor(3, 2, hidden_sizes=(4,))
        self.flattened = copy.deepcopy(self.plain)
        self.vector = flatten_parameters(self.flattened)

    def test_the_network_stays_the_same(self) -> None:
        observation = torch.randn(5, 3)
        assert torch.equal(self.flattened(observation), self.plain(observation))
        assert self.flattened.state_dict().keys() == self.plain.state_dict().keys()
        assert self.vector.numel() == sum(p.numel() for p in self.plain.parameters())

    def test_a_step_on_the_vector_is_a_step_on_every_parameter(self) -> None:
        observation = torch.randn(5, 3)
        separate = torch.optim.Adam(self.plain.parameters(), lr=0.1)
        together = torch.optim.Adam([self.vector], lr=0.1)
        for _ in range(3):
            for module, optimizer in ((self.plain, separate), (self.flattened, together)):
                optimizer.zero_grad(set_to_none=False)
                (module(observation).square().mean() + module.log_std.sum()).backward()
                optimizer.step()
        for ours, theirs in zip(self.flattened.parameters(), self.plain.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)

    def test_loading_weights_fills_the_vector(self) -> None:
        other = Actor(3, 2, hidden_sizes=(4,), initial_log_std=-0.3)
        self.flattened.load_state_dict(other.state_dict())
        expected = torch.cat([p.detach().flatten() for p in other.parameters()])
        assert torch.equal(self.vector.detach(), expected)


@pytest.mark.parametrize(("std_max", "learns"), [(0.4, False), (0.5, True)])
def test_a_pinned_deviation_gets_no_gradient(std_max: float, learns: bool) -> None:
    actor = Actor(3, 2, hidden_sizes=(4,), initial_log_std=-5.0, std_min=0.4, std_max=std_max)
    actor.project_log_std()
    actor.log_std.grad = torch.zeros(2)
    action = torch.tensor([[1.0, 2.0]])
    mean = actor(torch.zeros(1, 3))
    log_prob = gaussian_log_prob(mean, actor.bounded_log_std(), action)
    log_prob.sum().backward()
    assert bool(actor.log_std.grad.any()) == learns


@given(
    exponents=st.lists(st.floats(-2, 20), min_size=1, max_size=6),
    width=st.integers(1, 9),
    activation=st.sampled_from(["relu", "tanh"]),
    layer_norm=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_what_may_not_overflow_does_not(
    exponents: list[float], width: int, activation: Activation, layer_norm: bool, seed: int
) -> None:
    sizes = [24, *[width] * len(exponents), 4]
    net = make_mlp(sizes, activation=activation, layer_norm=layer_norm, output_gain=1.0)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            signs = torch.randn(parameter.shape, generator=generator).sign()
            parameter.copy_(signs * 10.0 ** exponents[number % len(exponents)])
    shown = 10.0 * torch.randn(64, 24, generator=generator).sign()
    if not may_overflow(net, 10.0):
        assert net(shown).isfinite().all()


@pytest.mark.parametrize("layer_norm", [True, False])
def test_weights_that_overflow_are_seen(layer_norm: bool) -> None:
    net = make_mlp([24, 8, 8, 4], activation="relu", layer_norm=layer_norm, output_gain=1.0)
    assert not may_overflow(net, 10.0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1e20)
    assert not net(torch.full((1, 24), 10.0)).isfinite().all()
    assert may_overflow(net, 10.0)


def test_a_large_network_of_usual_weights_does_not_overflow() -> None:
    net = make_mlp([1536, *[1000] * 5, 4], activation="relu", layer_norm=False, output_gain=1.0)
    assert not may_overflow(net, 10.0)
