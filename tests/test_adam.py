"""Adam against the paper's algorithm by hand, and against PyTorch's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bipedal.adam import Adam
from bipedal.networks import flatten_parameters


def vector(*values: float) -> nn.Parameter:
    parameter = nn.Parameter(torch.tensor(values))
    parameter.grad = torch.zeros_like(parameter)
    return parameter


def test_two_steps_by_hand() -> None:
    """With m = 0.1 g, v = 0.001 g^2 and both corrections the first step is the whole rate."""
    adam = Adam(vector(1.0, -2.0), rate=0.5, epsilon=0.0)
    adam.gradient.copy_(torch.tensor([4.0, -0.001]))
    adam.step()
    assert adam.parameter.tolist() == pytest.approx([0.5, -1.5])
    adam.gradient.copy_(torch.tensor([0.0, 0.003]))
    adam.step()
    mean = [0.9 * 0.1 * 4.0, 0.9 * 0.1 * -0.001 + 0.1 * 0.003]
    square = [0.999 * 0.001 * 16.0, 0.999 * 0.001 * 1e-6 + 0.001 * 9e-6]
    expected = [
        before - 0.5 * (m / (1 - 0.9**2)) / math.sqrt(v / (1 - 0.999**2))
        for before, m, v in zip((0.5, -1.5), mean, square, strict=True)
    ]
    assert adam.parameter.tolist() == pytest.approx(expected, rel=1e-5)


def test_epsilon_stands_beside_the_deviation() -> None:
    adam = Adam(vector(0.0), rate=1.0, epsilon=3.0)
    adam.gradient.fill_(1.0)
    adam.step()
    assert adam.parameter.item() == pytest.approx(-1.0 / (1.0 + 3.0))


@pytest.mark.parametrize("steps", [1, 50])
def test_steps_are_those_of_pytorch(steps: int) -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    adam = Adam(flatten_parameters(ours), 0.0, 1e-5)
    reference = torch.optim.Adam(theirs.parameters(), eps=1e-5)
    for number in range(steps):
        rate = 0.01 / (number + 1)
        adam.set_rate(rate)
        reference.param_groups[0]["lr"] = rate
        adam.gradient.zero_()
        reference.zero_grad()
        batch = torch.randn(7, 5)
        for net in (ours, theirs):
            net(batch).square().sum().backward()
        adam.step()
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_restored_state_goes_on_to_the_same_bits() -> None:
    adam = Adam(vector(1.0, 2.0, 3.0), 0.1, 1e-5)
    adam.gradient.normal_()
    adam.step()
    state, before = adam.state(), adam.parameter.detach().clone()
    adam.step()
    other = Adam(vector(*before.tolist()), 0.7, 1e-5)
    other.restore(state)
    other.gradient.copy_(adam.gradient)
    other.step()
    assert torch.equal(other.parameter, adam.parameter)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", -0.1), ("rate", 2.0), ("steps", -1.0), ("steps", math.inf), ("steps", math.nan)],
)
def test_an_impossible_state_is_refused(name: str, value: float) -> None:
    adam = Adam(vector(1.0), 0.1, 1e-5)
    with pytest.raises(ValueError, match="not a state of Adam"):
        adam.restore({**adam.state(), name: value})


def test_a_vector_without_a_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="flatten_parameters"):
        _ = Adam(nn.Parameter(torch.zeros(2)), 0.1, 1e-5).gradient
