"""LayerNorm: what a GPU computes, with PyTorch's own as the reference."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from bipedal.layer_norm import LayerNorm, Normalise


def _apply(input: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    result: Tensor = Normalise.apply(input, weight, bias, eps)  # type: ignore[no-untyped-call]
    return result


def normalise(input: Tensor, layer: nn.LayerNorm) -> Tensor:
    return _apply(input, layer.weight, layer.bias, layer.eps)


def make_layer(width: int) -> LayerNorm:
    layer = LayerNorm(width, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2.0)
        layer.bias.uniform_(-1.0, 1.0)
    return layer


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5)])
def test_it_is_pytorchs(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, input = make_layer(5), 3.0 + 2.0 * torch.randn(*shape, dtype=torch.float64)
    torch.testing.assert_close(normalise(input, layer), nn.LayerNorm.forward(layer, input))


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5)])
def test_its_gradients_are_those_of_finite_differences(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = make_layer(5)
    input = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    function = partial(_apply, eps=layer.eps)
    assert gradcheck(function, (input, layer.weight, layer.bias))


def test_a_known_row() -> None:
    """Mean 2 and variance 2/3; without an epsilon that is √1.5 for the ends."""
    layer = LayerNorm(3, eps=0.0)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 1.0, 2.0]))
        layer.bias.copy_(torch.tensor([0.0, 5.0, 0.0]))
    expected = torch.tensor([-(1.5**0.5), 5.0, 2.0 * 1.5**0.5])
    torch.testing.assert_close(normalise(torch.tensor([1.0, 2.0, 3.0]), layer), expected)


def test_on_a_cpu_it_is_pytorchs_to_the_bit() -> None:
    torch.manual_seed(0)
    layer, input = LayerNorm(64), torch.randn(100, 64)
    theirs = nn.LayerNorm(64)
    theirs.load_state_dict(layer.state_dict())
    assert torch.equal(layer(input), theirs(input))
