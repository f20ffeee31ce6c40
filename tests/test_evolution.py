"""The evolution strategy against numbers worked out by hand, and on a hill it must climb."""

import torch

from bipedal import evolution
from bipedal.networks import make_mlp


def test_a_population_is_the_same_steps_forwards_and_backwards() -> None:
    parameters = torch.tensor([1.0, 2.0, 3.0])
    directions = torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]])
    weights = evolution.population(parameters, directions, 0.5)
    assert weights.tolist() == [
        [1.5, 2.0, 2.5], [1.0, 3.0, 3.0], [0.5, 2.0, 3.5], [1.0, 1.0, 3.0],
    ]  # fmt: skip


def test_fitness_is_standardised_and_a_fall_does_not_drown_the_rest() -> None:
    returns = torch.tensor([300.0, 310.0, 305.0, -100.0], dtype=torch.float64)
    fitness = evolution.fitness(returns, worst=20.0)
    bounded = torch.tensor([300.0, 310.0, 305.0, 280.0], dtype=torch.float64)  # the median is 300
    torch.testing.assert_close(fitness, (bounded - bounded.mean()) / bounded.std())


def test_equal_returns_say_nothing() -> None:
    assert evolution.fitness(torch.full((4,), 3.0), worst=20.0).tolist() == [0.0] * 4


def test_ascent_is_the_mean_of_directions_weighed_by_fitness() -> None:
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    fitness = torch.tensor([1.0, -0.5, -1.0, 0.5])  # the first pair goes up, the second down
    ascent = evolution.ascent(directions, fitness, deviation=0.1)
    torch.testing.assert_close(ascent, torch.tensor([2.0, -1.0]) / (4 * 0.1))


def test_it_climbs_a_hill() -> None:
    """The top of -|θ - 3|² is found from returns alone."""
    generator = torch.Generator().manual_seed(0)
    parameters = torch.zeros(5)
    for _ in range(200):
        directions = evolution.perturbations(16, 5, generator)
        weights = evolution.population(parameters, directions, 0.1)
        fitness = evolution.fitness(-(weights - 3.0).square().sum(1), worst=20.0)
        parameters = parameters + 0.01 * evolution.ascent(directions, fitness, 0.1)
    torch.testing.assert_close(parameters, torch.full((5,), 3.0), atol=0.3, rtol=0.0)


def test_each_network_of_a_population_is_the_one_with_its_weights() -> None:
    torch.manual_seed(0)
    for layer_norm in (False, True):
        net = make_mlp([5, 7, 6, 2], activation="tanh", layer_norm=layer_norm, output_gain=1.0)
        size = sum(parameter.numel() for parameter in net.parameters())
        weights, x = torch.randn(3, size), torch.randn(3, 5)
        together = evolution.forward_each(net, weights, x)
        for row in range(3):
            torch.nn.utils.vector_to_parameters(weights[row], net.parameters())
            torch.testing.assert_close(together[row], net(x[row]), atol=1e-5, rtol=1e-5)
