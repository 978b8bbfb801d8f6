"""The layers that training runs, against torch's and Brevitas's own."""

from __future__ import annotations

import brevitas.nn as qnn
import pytest
import torch
from torch import nn

from boltmod.nn import quantizers, quick_steps
from boltmod.nn.number_format import NumberFormat

EIGHT = NumberFormat(act_bit_width=8)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 3, 1, 1), (2, 3, 1, 6), (1, 6, 2, 3)]
)
def test_a_convolution_trains_as_torch_s(
    stride: int, padding: int, dilation: int, groups: int
) -> None:
    torch.manual_seed(0)
    kwargs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    quick = quick_steps.Conv1d(6, 6, 7, **kwargs)  # type: ignore[arg-type]
    plain = nn.Conv1d(6, 6, 7, **kwargs)  # type: ignore[arg-type]
    plain.load_state_dict(quick.state_dict())
    x = torch.randn(5, 6, 40)
    answers = [layer(x) for layer in (quick, plain)]
    for answer in answers:
        answer.square().sum().backward()
    torch.testing.assert_close(answers[0], answers[1])
    torch.testing.assert_close(quick.weight.grad, plain.weight.grad)
    torch.testing.assert_close(quick.bias.grad, plain.bias.grad)  # type: ignore[union-attr]


def test_the_layout_stays_from_layer_to_layer() -> None:
    conv, norm = quick_steps.Conv1d(2, 8, 5, padding=2), quick_steps.BatchNorm1d(8)
    act = quantizers.relu(NumberFormat(act_bit_width=6))
    y = act(norm(conv(torch.randn(4, 2, 32))))
    assert y.stride() == (8 * 32, 1, 8)


@pytest.mark.parametrize("length", [20, 7])
@pytest.mark.parametrize("by_channel", [True, False])
def test_a_maximum_of_two_trains_as_torch_s(by_channel: bool, length: int) -> None:
    torch.manual_seed(0)
    # Zeros beside each other, as a ReLU leaves them: of equal numbers the first has the gradient.
    x = torch.randn(3, 4, length).relu()
    if by_channel:
        x = x.transpose(1, 2).contiguous().transpose(1, 2)
    given = [x.clone().requires_grad_() for _ in range(2)]
    answers = [
        pool(each)
        for pool, each in zip((quick_steps.MaxPool1d(), nn.MaxPool1d(2)), given, strict=True)
    ]
    assert torch.equal(answers[0], answers[1])
    wanted = torch.randn(answers[0].shape)
    for answer in answers:
        answer.backward(wanted)
    assert torch.equal(given[0].grad, given[1].grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(16, 8), (16, 8, 20)])
def test_batch_normalisation_trains_as_torch_s(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    quick, plain = quick_steps.BatchNorm1d(8), nn.BatchNorm1d(8)
    x = torch.randn(shape) * 3 + 1
    torch.testing.assert_close(quick(x), plain(x))
    torch.testing.assert_close(quick.running_var, plain.running_var)
    quick.eval(), plain.eval()
    assert torch.equal(quick(x), plain(x))


@pytest.mark.parametrize(
    ("layer", "kind"),
    [
        (quantizers.relu(NumberFormat(act_bit_width=6)), qnn.QuantReLU),
        (quantizers.relu(NumberFormat(act_bit_width=2)), qnn.QuantReLU),
        (quantizers.signed_act(NumberFormat(act_bit_width=4)), qnn.QuantIdentity),
        (
            quantizers.input_quantiser(NumberFormat(act_bit_width=8), 3.0, learned=True),
            qnn.QuantIdentity,
        ),
    ],
)
def test_an_activation_trains_as_brevitas_s(layer: nn.Module, kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    x = (torch.randn(16, 8, 50) * 4).requires_grad_()
    weights = torch.randn(16, 8, 50)
    found = []
    for forward in (layer.forward, lambda v: kind.forward(layer, v)):
        x.grad = None
        layer.zero_grad()
        y = forward(x)
        (y * weights).sum().backward()
        assert x.grad is not None
        found.append((y.detach(), x.grad, next(layer.parameters()).grad))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
    torch.testing.assert_close(found[0][2], found[1][2], rtol=1e-3, atol=1e-3)
