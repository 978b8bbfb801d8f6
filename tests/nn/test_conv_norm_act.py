"""Convolution, normalisation and activation as one step: what torch's three steps say."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from boltmod.compress import prune
from boltmod.native import library
from boltmod.native.compiling import CONVOLUTION
from boltmod.nn import conv_norm_act, quantizers, quick_steps
from boltmod.nn.conv_norm_act import Steps
from boltmod.nn.layers import ConvNormRelu, SeparableBlock
from boltmod.nn.number_format import NumberFormat

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"
)

GEOMETRIES = {  # input channels, output channels, taps, stride, padding, groups, samples
    "first": (2, 2, 27, 2, 13, 2, 256),
    "depthwise": (24, 24, 21, 1, 10, 24, 64),
    "pointwise": (24, 50, 1, 1, 0, 1, 48),
    "dense": (5, 7, 5, 3, 2, 1, 96),
    "few taps, wide stride": (4, 4, 3, 4, 1, 4, 64),
    "groups of several": (6, 4, 5, 1, 2, 2, 64),
}
RANGES = {"relu": None, "unsigned": Steps(0, 63), "signed": Steps(-8, 7)}


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=["avx512", "avx2", "sse4", "plain"])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The kernel for each width of vectors that this processor has."""
    if request.param not in library.load(CONVOLUTION).widths:
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setenv(library.WIDTH_VARIABLE, request.param)
    conv_norm_act._kernel.cache_clear()
    yield request.param
    conv_norm_act._kernel.cache_clear()


def layers(name: str) -> tuple[nn.Conv1d, nn.BatchNorm1d, Tensor]:
    inputs, outputs, taps, stride, padding, groups, samples = GEOMETRIES[name]
    torch.manual_seed(len(name))
    conv = nn.Conv1d(
        inputs, outputs, taps, stride=stride, padding=padding, groups=groups, bias=False
    )
    norm = nn.BatchNorm1d(outputs)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.bias, 0.2, 0.5)
    return conv, norm, torch.randn(6, inputs, samples) + 3.0


def reference(
    conv: nn.Conv1d, norm: nn.BatchNorm1d, x: Tensor, step: Tensor | None, steps: Steps | None
) -> Tensor:
    z = norm(conv(x))
    if step is None or steps is None:
        return torch.relu(z)
    return quick_steps.fake_quantise(z, step, steps.lowest, steps.highest)


@pytest.mark.usefixtures("width")
@pytest.mark.parametrize("activation", RANGES)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_result_gradients_and_averages_are_torch_s(name: str, activation: str) -> None:
    conv, norm, x = layers(name)
    other = nn.BatchNorm1d(norm.num_features)
    other.load_state_dict(norm.state_dict())
    steps = RANGES[activation]
    x.requires_grad_()
    step = None if steps is None else torch.tensor(0.0501, requires_grad=True)
    assert conv_norm_act.is_possible(conv, x)
    ours = conv_norm_act.conv_norm_act(x, conv, conv.weight, norm, step, steps)
    wanted = reference(conv, other, x, step, steps)
    # Numbers a rounding apart may lie on two sides of a quantiser's edge, rarely.
    apart = (ours - wanted).abs() > 1e-4
    assert apart.sum() <= (0 if steps is None else 2)
    grad = torch.randn_like(wanted) * ~apart
    leaves = [x, conv.weight]
    found = torch.autograd.grad(ours, [*leaves, norm.weight, norm.bias], grad, retain_graph=True)
    right = torch.autograd.grad(
        wanted, [*leaves, other.weight, other.bias], grad, retain_graph=True
    )
    for one, two in zip(found, right, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=2e-5 * float(two.abs().max()))
    if step is not None:
        one, two = (torch.autograd.grad(each, step, grad)[0] for each in (ours, wanted))
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-2)
    for mine, theirs in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_the_result() -> None:
    """By torch's own check: every derivative against differences of the result."""
    conv, norm, x = layers("dense")
    x, d = x[:2].double(), torch.randn(2, 7, 32, dtype=torch.float64)

    def loss(weight: Tensor) -> Tensor:
        y = torch.nn.functional.conv1d(x, weight, None, 3, 2)
        z = torch.nn.functional.batch_norm(
            y, None, None, norm.weight.double(), norm.bias.double(), True
        )
        return (torch.relu(z) * d).sum()

    weight = conv.weight.detach().double().requires_grad_()
    assert torch.autograd.gradcheck(loss, weight, eps=1e-6, atol=1e-4)
    ours = conv_norm_act.conv_norm_act(x.float(), conv, conv.weight, norm, None, None)
    (of_weight,) = torch.autograd.grad(ours, conv.weight, d.float())
    (wanted,) = torch.autograd.grad(loss(weight), weight)
    torch.testing.assert_close(of_weight.double(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("width")
@pytest.mark.parametrize("name", GEOMETRIES)
def test_weights_left_out_change_nothing(
    name: str,
) -> None:
    """Zeros that are left out of the sums, against the same weights all but zero: to the bit."""
    conv, norm, x = layers(name)
    kept = torch.rand(conv.weight.shape) < 0.4
    kept.flatten(1)[:, 0] = True
    few = torch.where(kept, conv.weight.detach(), 0.0)
    # Products with these vanish beside any other number.
    many = torch.where(kept, few, 1e-30)
    results = []
    for weights, masks in ((many, {}), (few, {}), (few, {"weight": kept})):
        conv_norm_act.keep_only(conv, masks)
        leaves = [each.clone().requires_grad_() for each in (x, weights)]
        y = conv_norm_act.conv_norm_act(leaves[0], conv, leaves[1], norm, None, None)
        grad = torch.linspace(-1, 1, y.numel()).reshape(y.shape)
        found = (y, *torch.autograd.grad(y, leaves, grad))
        results.append([each * (each.abs() > 1e-20) for each in found])
    dense, unmasked, masked = results
    for one, two in zip(dense, unmasked, strict=True):
        assert torch.equal(one, two)
    assert torch.equal(masked[0], dense[0])
    assert torch.equal(masked[1], dense[1])
    assert torch.equal(masked[2], dense[2] * kept)


def test_a_block_s_gradients_are_those_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortcut's gradient comes back through the depthwise step."""
    torch.manual_seed(6)
    block = SeparableBlock(8, 8, 9, NumberFormat(), residual=True).double().float().train()
    x = torch.randn(4, 8, 64)
    found = []
    for is_quick in (True, False):
        if not is_quick:
            monkeypatch.setattr(conv_norm_act, "is_possible", lambda conv, x: False)
        leaf = x.clone().requires_grad_()
        # Asked for twice by what follows, and by something beside the block.
        y = block(leaf * 1.0)
        loss = (y * y).sum() + y.sum() + leaf.sum()
        found.append(torch.autograd.grad(loss, [leaf, *block.parameters()]))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=2e-5 * float(two.abs().max()))


def test_pruned_weights_of_a_network_have_no_gradient() -> None:
    block = SeparableBlock(8, 16, 9, NumberFormat(6, 6)).train()
    masks = {name: (torch.rand(p.shape) < 0.3).float() for name, p in block.named_parameters()
             if p.ndim == 3}  # fmt: skip
    prune.apply(block, masks)
    conv_norm_act.keep_only(block, masks)
    block(torch.randn(4, 8, 64)).square().sum().backward()
    for name, parameter in block.named_parameters():
        if name in masks:
            assert parameter.grad is not None
            assert not parameter.grad[masks[name] == 0].any()
            assert parameter.grad[masks[name] == 1].any()
    conv_norm_act.keep_only(block, {})
    block(torch.randn(4, 8, 64)).square().sum().backward()
    gradients = {name: p.grad for name, p in block.named_parameters() if name in masks}
    assert all((g is not None and g[masks[name] == 0].any()) for name, g in gradients.items())


def test_threads_share_the_frames(threads: Callable[[int], None]) -> None:
    results = []
    for n_threads in (1, 4, 7):  # of six frames, one each at most
        threads(n_threads)
        conv, norm, x = layers("first")
        x.requires_grad_()
        step = torch.tensor(0.05, requires_grad=True)
        y = conv_norm_act.conv_norm_act(x, conv, conv.weight, norm, step, Steps(0, 63))
        (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum().backward()
        leaves = (x, conv.weight, norm.weight, norm.bias, step)
        results.append([y, norm.running_mean, norm.running_var, *(leaf.grad for leaf in leaves)])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_averages_of_all_batches_alike() -> None:
    """Without a momentum the averages are over all batches so far."""
    conv, norm, x = layers("first")
    norm.momentum = None
    other = nn.BatchNorm1d(2, momentum=None)
    for _ in range(3):
        x = x + 1
        conv_norm_act.conv_norm_act(x, conv, conv.weight, norm, None, None)
        other(conv(x))
    for mine, theirs in zip(norm.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [None, 6])
def test_a_block_learns_what_it_learned_without(
    bits: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(5)
    block = SeparableBlock(
        8, 8, 9, NumberFormat(bits, bits), residual=True, quantise_sum=True
    ).train()
    x, used = torch.randn(4, 8, 64), list[int]()
    whole = conv_norm_act.conv_norm_act

    def counted(*args: Any, **options: Any) -> Tensor:
        used.append(1)
        return whole(*args, **options)

    monkeypatch.setattr(conv_norm_act, "conv_norm_act", counted)
    quick = block(x)
    assert len(used) == 2
    monkeypatch.setattr(conv_norm_act, "is_possible", lambda conv, x: False)
    plain = block(x)
    assert len(used) == 2
    assert ((quick - plain).abs() > 1e-4).float().mean() < 0.01


def test_what_the_kernel_does_not_take_is_torch_s() -> None:
    conv, _, x = layers("dense")
    assert conv_norm_act.is_possible(conv, x)
    assert not conv_norm_act.is_possible(conv, x.double())
    assert not conv_norm_act.is_possible(conv, x[:, :, :90])
    assert not conv_norm_act.is_possible(nn.Conv1d(5, 7, 5, stride=3, padding=2), x)
    assert not conv_norm_act.is_possible(nn.Conv1d(5, 7, 5, dilation=2, bias=False), x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not conv_norm_act.is_possible(conv, x)


def test_without_a_compiler_training_says_so_and_goes_on(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("boltmod.native.compiling.shutil.which", lambda name: None)
    library.load.cache_clear()
    conv_norm_act._kernel.cache_clear()
    layer = ConvNormRelu(4, 4, 3, NumberFormat()).train()
    try:
        with pytest.warns(UserWarning, match="training will be slower: the convolution needs"):
            result = layer(torch.randn(2, 4, 32))
    finally:
        library.load.cache_clear()
        conv_norm_act._kernel.cache_clear()
    assert result.shape == (2, 4, 32)


def test_who_listens_to_a_part_hears_it() -> None:
    layer = ConvNormRelu(4, 4, 3, NumberFormat()).train()
    heard = list[torch.Size]()
    layer.act.register_forward_pre_hook(lambda part, given: heard.append(given[0].shape))
    layer(torch.randn(2, 4, 32))
    assert heard == [(2, 4, 32)]


def test_other_activations_stay_torch_s() -> None:
    assert quantizers.plain_act(nn.Identity(), torch.zeros(1)) is None
    assert quantizers.plain_act(nn.ReLU(), torch.zeros(1)) == (None, None)
