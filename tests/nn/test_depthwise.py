"""Depthwise convolutions and their gradients, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d

from boltmod.nn import quick_steps
from boltmod.nn.depthwise import DepthwiseConv1d, input_gradient

GEOMETRIES = [
    # batch, channels, samples, taps, stride, padding
    (32, 24, 40, 21, 1, 10),
    (32, 24, 40, 15, 2, 7),
    (16, 48, 33, 9, 1, 4),
    (16, 48, 33, 9, 2, 4),
    (16, 48, 32, 9, 2, 4),
    (16, 2, 64, 27, 2, 13),
    (37, 6, 31, 5, 3, 2),
    (5, 3, 20, 7, 2, 3),
    (16, 16, 20, 5, 1, 0),
    (16, 16, 20, 4, 2, 3),
    (16, 16, 5, 1, 2, 0),
    (16, 16, 9, 2, 3, 0),
]
"""Of BacalhauNetV1 first; then odd batches, no padding, much of it, single taps, gaps."""


def depthwise(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    y: Tensor = DepthwiseConv1d.apply(x, weight, stride, padding)
    return y


def both(geometry: tuple[int, ...], dtype: torch.dtype) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Output and both gradients, ours and then torch's in double precision on the same numbers."""
    n_frames, channels, samples, taps, stride, padding = geometry
    torch.manual_seed(3)
    x = torch.randn(n_frames, channels, samples).to(dtype)
    weight = torch.randn(channels, 1, taps).to(dtype)
    outputs = (samples + 2 * padding - taps) // stride + 1
    coefficients = torch.randn(n_frames, channels, outputs).to(dtype)
    found = []
    for is_ours in (True, False):
        kind = dtype if is_ours else torch.float64
        leaves = [part.to(kind).detach().requires_grad_() for part in (x, weight)]
        input, filters = leaves
        if is_ours:
            y = depthwise(input, filters, stride, padding)
        else:
            y = conv1d(input, filters, stride=stride, padding=padding, groups=channels)
        y.backward(coefficients.to(kind))
        assert leaves[0].grad is not None
        assert leaves[1].grad is not None
        assert leaves[0].grad.dtype == leaves[1].grad.dtype == kind
        found.append((y.detach(), leaves[0].grad, leaves[1].grad))
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 3e-2)],
    ids=["double", "single", "half"],
)
def test_it_computes_and_learns_as_torch_s(
    geometry: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    for ours, torchs in zip(*both(geometry, dtype), strict=True):
        difference = (ours.double() - torchs).abs().max() / torchs.abs().max()
        assert difference < tolerance


@pytest.mark.parametrize(("stride", "padding"), [(1, 2), (2, 2), (2, 0), (3, 1)])
def test_its_gradients_are_those_of_its_output(stride: int, padding: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(3, 4, 12, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: depthwise(a, b, stride, padding), (x, weight))


def test_frames_in_any_layout_give_the_same() -> None:
    torch.manual_seed(2)
    x, weight = torch.randn(16, 24, 30), torch.randn(24, 1, 7)
    gradients = []
    for layout in (x, x.transpose(1, 2).contiguous().transpose(1, 2), x.flip(0).flip(0)):
        own = weight.clone().requires_grad_()
        depthwise(layout, own, 2, 3).square().sum().backward()
        assert own.grad is not None
        gradients.append(own.grad)
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


def test_half_precision_under_autocast_trains_single_precision_weights() -> None:
    torch.manual_seed(4)
    layer = quick_steps.Conv1d(24, 24, 9, stride=2, padding=4, groups=24, bias=False)
    x = torch.randn(16, 24, 40, requires_grad=True)
    gradients = []
    for enabled in (True, False):
        layer.zero_grad()
        x.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y = layer(x)
        assert y.dtype == (torch.bfloat16 if enabled else torch.float32)
        y.float().square().sum().backward()
        assert layer.weight.grad is not None
        assert x.grad is not None
        assert layer.weight.grad.dtype == x.grad.dtype == torch.float32
        gradients.append((layer.weight.grad.clone(), x.grad.clone()))
    for half, single in zip(*gradients, strict=True):
        assert (half - single).abs().max() / single.abs().max() < 2e-2


def test_no_gradient_is_computed_that_nobody_asks_for() -> None:
    x, weight = torch.randn(4, 3, 10), torch.randn(3, 1, 3, requires_grad=True)
    depthwise(x, weight, 1, 1).sum().backward()
    assert x.grad is None
    assert weight.grad is not None


def test_samples_that_no_output_sees_have_no_gradient() -> None:
    grad = torch.ones(1, 2, 2, dtype=torch.bfloat16)
    found = input_gradient(grad, torch.ones(2, 1, 1, dtype=torch.bfloat16), 6, stride=3, padding=0)
    assert found.float()[0, 0].tolist() == [1, 0, 0, 1, 0, 0]
