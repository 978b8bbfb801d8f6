from math import frexp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from boltmod.compress.bit_width import lowerable
from boltmod.cost import inference_cost
from boltmod.errors import ConfigError
from boltmod.export.qonnx import trace
from boltmod.export.verify import compare
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model
from boltmod.modulation import CLASSES
from boltmod.nn import quantizers, registry
from boltmod.nn.boltnet import BoltNet, BoltNetConfig
from boltmod.nn.number_format import NumberFormat
from boltmod.pipeline.phase.lower import LowerPhase
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.stages import run_phases
from boltmod.run_folder import RunFolder
from boltmod.train import checkpoint
from boltmod.train.calibrate import calibrate, transfer
from boltmod.train.checkpoint import Checkpoint
from small_runs import Watcher

FACTS = Metadata(classes=CLASSES)

RESIDUAL: dict[str, Any] = {
    "pool": 8, "stem_channels": 8, "stem_kernel_size": 5, "channels": [8, 8, 12],
    "kernel_sizes": [5, 3, 3], "strides": [1, 1, 1], "max_pools": ["before", "none", "between"],
}  # fmt: skip

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "residual": RESIDUAL,
    "filters of each plane": {"stem_filters": 3, "stem_stride": 2, "features": "mean"},
    "both features": {**RESIDUAL, "features": "max_and_mean", "dense_rank": 6},
    "whole frame": {**RESIDUAL, "pool": 1, "stem_stride": 4, "per_channel": True},
    "powers of two": {**RESIDUAL, "power_of_two": True, "per_channel": True, "dense_rank": 6},
    "products": {**RESIDUAL, "lags": [0, 1, 2]},
    "products of pairs": {
        **RESIDUAL, "pool": 2, "product_pool": 4, "lags": [4, 0], "stem_filters": 2,
        "power_of_two": True,
    },
    "symbol timing": {
        **RESIDUAL, "symbol_timing": True, "lags": [0, 1], "pool": 4,
        "max_pools": ["none", "none", "before"],
    },
    "symbol timing, no products": {**RESIDUAL, "symbol_timing": True, "pool": 2},
    "gain control": {**RESIDUAL, "gain_control": True},
    "symbol timing and gain control": {
        **RESIDUAL, "symbol_timing": True, "gain_control": True, "lags": [1, 0], "pool": 4,
    },
    "magnitudes": {
        **RESIDUAL, "symbol_timing": True, "gain_control": True, "lags": [0], "magnitudes": True,
        "pool": 4, "input_full_scale": 16.0, "input_bit_width": 10, "learned_front": False,
    },
    "learned scales": {
        **RESIDUAL, "learned_weight_scales": True, "per_channel": True, "weight_bit_width": 3,
    },
    "few bits": {
        **RESIDUAL, "input_bit_width": 3, "average_bit_width": 3, "weight_bit_width": 2,
        "act_bit_width": 3, "dense_act_bit_width": 4,
    },
}  # fmt: skip


def products_cost(parameters: dict[str, Any]) -> int:
    """Bit operations of what precedes the first convolution, its numbers of 8 bits each."""
    lags = parameters.get("lags", [])
    timed = parameters.get("symbol_timing", False)
    n_instants = 128 if timed else 1024 // parameters.get("pool", 4)
    n_products = n_instants * sum(2 if lag == 0 else 4 for lag in lags)
    bops = 0
    if timed:
        power, between = 2 * 1024, 2 * n_instants if 0 in lags else 0
        n_products += power + between
        bops += 4 * 1024 * 8 * 2  # samples chosen by 0 and 1, of two bits
    if parameters.get("gain_control"):
        n_products += 2 * n_instants
        n_planes = 4 if timed else 2
        bops += n_planes * n_instants * 8 * 32 + 8 * 32 * 32  # the root's eight steps
    return n_products * 8 * 8 + bops


def learned_range(act: nn.Module) -> float:
    value = quantizers.learned_scale(act)
    assert value is not None
    return float(value.detach())


def config(**parameters: Any) -> BoltNetConfig:
    found = registry.parse("boltnet", parameters)
    assert isinstance(found, BoltNetConfig)
    return found


def settled(parameters: dict[str, Any]) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """A floating-point network that has seen frames, its quantised twin, and the frames."""
    torch.manual_seed(5)
    chosen = config(**parameters)
    floating, quantised = registry.build(chosen.in_float()), registry.build(chosen)
    frames = torch.randn(128, 2, 1024)
    floating.train()
    with torch.no_grad():
        for start in range(0, 128, 16):
            floating(frames[start : start + 16])
    transfer(floating.eval(), quantised)
    calibrate(floating, quantised, frames, trained=True)
    return floating, quantised.eval(), frames


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_exported_counted_and_hides_nothing(name: str) -> None:
    _, network, frames = settled(VARIANTS[name])
    model = Model(trace(network, FACTS), FACTS, None)
    agreement = compare(network, model, frames, 0.2)
    assert agreement.same_class == 128
    assert agreement.identical_scores >= 120
    cost = inference_cost.count(model)
    assert cost.strict is not None
    assert cost.strict.weight_bits == cost.weight_bits
    assert cost.strict.bops - cost.bops == products_cost(VARIANTS[name])
    seen = {f.name for f in cost.findings} - {"zero weights"}
    assert seen == ({"free by the official rules"} if products_cost(VARIANTS[name]) else set())
    datatypes = {x for layer in cost.layers for x in (layer.act_datatype, layer.weight_datatype)}
    assert all("INT" in datatype and "32" not in datatype for datatype in datatypes), datatypes


def test_the_default_costs_what_its_shape_says() -> None:
    network = registry.build(BoltNetConfig())
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.fill_(1.0)
    cost = inference_cost.count(Model(trace(network, FACTS), FACTS, None))
    stem = 2 * 16 * 9
    blocks = [7 * 16 + 16 * 24, 7 * 24 + 24 * 32, 5 * 32 + 32 * 32, 5 * 32 + 32 * 48]
    dense = 48 * 24
    by_place = stem * 256 + sum(w * t for w, t in zip(blocks, (256, 128, 64, 32), strict=True))
    assert cost.macs == by_place + dense
    assert cost.weight_bits == 5 * (stem + sum(blocks) + dense)
    assert cost.bops == 5 * 6 * (stem * 256 + dense) + 5 * 5 * (by_place - stem * 256)


@pytest.mark.parametrize("name", ["default", "residual", "both features", "powers of two"])
def test_quantised_from_a_floating_point_network_it_computes_the_same(name: str) -> None:
    wide = dict.fromkeys(("input", "average", "weight", "act", "dense_act"), 8)
    parameters = VARIANTS[name] | {f"{what}_bit_width": bits for what, bits in wide.items()}
    floating, quantised, frames = settled(parameters)
    with torch.no_grad():
        expected, got = floating(frames), quantised(frames)
    assert (got - expected).square().mean() / expected.var() < 0.01


def test_the_arms_of_a_sum_are_integers_of_one_scale() -> None:
    _, network, frames = settled(RESIDUAL)
    assert isinstance(network, BoltNet)
    first, second, _ = network.blocks
    assert first.pw.act is network.stem[0].act
    assert second.pw.act is first.sum_act
    assert [block.residual for block in network.blocks] == [True, True, False]
    arms: list[torch.Tensor] = []
    hook = network.stem[0].act.register_forward_hook(lambda *found: arms.append(found[2].detach()))
    with torch.no_grad():
        network(frames[:8])
    hook.remove()
    step = learned_range(first.pw.act) / (2**5 - 1)
    assert len(arms) == 2
    for arm in arms:
        assert torch.allclose(arm / step, (arm / step).round(), atol=1e-3)


def test_what_is_shared_is_measured_where_it_is_larger(tmp_path: Path) -> None:
    floating, quantised, frames = settled(RESIDUAL)
    assert isinstance(floating, BoltNet)
    assert isinstance(quantised, BoltNet)
    seen: list[float] = []
    shared = floating.stem[0].act
    hook = shared.register_forward_hook(
        lambda *found: seen.append(float(found[2].flatten().quantile(0.999)))
    )
    with torch.no_grad():
        floating(frames[:64])
    hook.remove()
    learned = learned_range(quantised.stem[0].act)
    assert len(seen) == 2
    assert learned == pytest.approx(max(seen), rel=0.1)
    checkpoint.save(Checkpoint(quantised.state_dict()), tmp_path / "a.safetensors")
    fresh = registry.build(quantised.config)
    checkpoint.restore(fresh, checkpoint.load(tmp_path / "a.safetensors"), tmp_path)
    assert isinstance(fresh, BoltNet)
    assert fresh.blocks[0].pw.act is fresh.stem[0].act
    assert learned_range(fresh.blocks[0].pw.act) == learned


def test_every_scale_is_a_power_of_two_where_that_is_asked_for() -> None:
    _, network, _ = settled(VARIANTS["powers of two"])
    graph = trace(network, FACTS).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    quants = [node for node in graph.node if node.op_type == "Quant"]
    scales = np.concatenate([constants[node.input[1]].ravel() for node in quants])
    assert len(quants) > 15
    assert {frexp(scale)[0] for scale in scales} == {0.5}


def test_powers_of_two_are_the_nearest_ones() -> None:
    act = quantizers.relu(NumberFormat(act_bit_width=4, power_of_two=True))
    for wanted, largest in ((5.0, 3.75), (6.0, 7.5), (0.7, 0.46875), (0.71, 0.9375)):
        quantizers.set_learned_range(act, wanted)
        assert float(act(torch.tensor([1e3])).detach()) == pytest.approx(largest)
    with pytest.raises(ConfigError) as caught:
        quantizers.set_learned_range(nn.ReLU(), 1.0)
    assert str(caught.value) == "ranges must belong to activations that learn theirs, not to ReLU"


def test_single_layers_have_their_own_bits() -> None:
    bits = {"blocks.0.pw.conv": 2, "stem.0.act": 3, "dense.3": 4}
    network = registry.build(config(**RESIDUAL, dense_rank=6, bit_widths=bits))
    found = {name: quantizers.bit_width(network.get_submodule(name)) for name in bits}
    assert found == bits
    assert isinstance(network, BoltNet)
    assert quantizers.bit_width(network.blocks[0].pw.act) == 3
    phase = LowerPhase(name="lower", kind="lower")
    names = list(lowerable(network, phase))
    assert len(names) == len(set(names))
    assert {"pool.1", "blocks.2.dw.conv", "features_act", "dense.0"} <= set(names)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"strides": [1, 1, 1]},
            "network.strides must have 4 entries, one a block of network.channels, not 3",
        ),
        ({"channels": []}, "network.channels must name at least one block, not none"),
        ({"kernel_sizes": [7, 6, 5, 5]}, "network.kernel_sizes must be odd, not 6"),
        ({"stem_channels": 0}, "network.stem_channels must be at least 1, not 0"),
        ({"dense_rank": -1}, "network.dense_rank must be at least 0, not -1"),
        ({"act_bit_width": 9}, "network.act_bit_width must be 2 to 8, not 9"),
        (
            {"pool": 8, "stem_stride": 8, "strides": [2, 2, 2, 2]},
            "network.pool, product_pool, strides and max_pools must leave one sample of 1024, "
            "not thin them by "
            "8192; take some away",
        ),
        ({"pool": 3}, "network (boltnet): pool must be 1, 2, 4 or 8, not 3"),
    ],
)
def test_what_cannot_be_built_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(**parameters)
    assert str(caught.value) == message


@pytest.mark.usefixtures("uncounted")
def test_it_trains_from_float_to_pruned_and_resumes(tmp_path: Path) -> None:
    batch = {"epochs": 1, "batch_size": 128}
    recipe = Recipe.model_validate({
        "name": "bolt", "seed": 7, "network": {"name": "boltnet", **VARIANTS["powers of two"]},
        "data": {"frames_per_epoch": 512, "validation_frames": 96},
        "phases": [
            {"name": "float", "kind": "train", "quantised": False, **batch},
            {"name": "quantise", "kind": "train", **batch},
            {"name": "prune", "kind": "prune", "fraction": 0.5, **batch},
        ],
    })  # fmt: skip
    expected, _ = run_phases(recipe, RunFolder(tmp_path / "whole"), Watcher())
    files = RunFolder(tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt):
        run_phases(recipe, files, Watcher(interrupt_after=6))
    network, _ = run_phases(recipe, files, Watcher())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name]), name
    assert float((network.get_parameter("blocks.0.pw.conv.weight") == 0).float().mean()) > 0.3
