import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cost import inference_cost
from boltmod.cost.inference_cost import count
from boltmod.cost.score import score
from boltmod.errors import CostMismatchError, UnsupportedOperatorError
from boltmod.model import onnx_file


def cost_of(proto):
    return count(onnx_file.from_proto(proto))


def test_a_dense_layer_costs_what_paper_and_pencil_say():
    weights = np.zeros((24, 2048))
    weights[:, :100] = 3
    cost = cost_of(hand_made.dense(weights, weight_bits=4, act_bits=8))
    (layer,) = cost.layers
    assert (layer.name, layer.type, layer.output_shape) == ("fc", "Gemm", (1, 24))
    assert (layer.weights, layer.nonzero_weights) == (24 * 2048, 2400)
    assert (layer.weight_datatype, layer.act_datatype) == ("INT4", "SCALEDINT<8>")
    assert (cost.macs, cost.bops, cost.weight_bits) == (2400, 2400 * 4 * 8, 2400 * 4)
    assert cost.score == pytest.approx(0.5 * 76800 / 807_699_904 + 0.5 * 9600 / 1_244_936)
    assert layer.share == pytest.approx(1)


def test_a_convolution_costs_every_output_position():
    cost = cost_of(hand_made.convolutional())
    conv, fc = cost.layers
    assert (conv.name, conv.output_shape, conv.weights) == ("conv", (1, 8, 512), 80)
    assert conv.macs == conv.nonzero_weights * 512
    assert conv.bops == conv.macs * 8 * 4
    assert fc.bops == fc.macs * 32 * 4
    assert cost.bops == conv.bops + fc.bops
    assert conv.share + fc.share == pytest.approx(1)


def test_an_open_batch_costs_one_inference():
    assert cost_of(hand_made.dense(batch="n")).bops == cost_of(hand_made.dense()).bops


@pytest.mark.parametrize("domain", ["", "onnx.brevitas"])
def test_older_exports_cost_the_same(domain):
    assert cost_of(hand_made.convolutional(domain=domain, opset=9)) == cost_of(
        hand_made.convolutional()
    )


def test_costs_grow_with_bit_widths_and_shrink_with_zeros():
    costs = [cost_of(hand_made.dense(weight_bits=b)) for b in (4, 5, 8)]
    assert sorted(costs, key=lambda c: c.score) == costs
    assert len({c.score for c in costs}) == 3
    weights = np.ones((24, 2048))
    before = cost_of(hand_made.dense(weights))
    weights[3, 5] = 0
    after = cost_of(hand_made.dense(weights))
    assert after.bops == before.bops - 32
    assert after.weight_bits == before.weight_bits - 4


def test_a_difference_to_the_official_figures_is_an_error(monkeypatch):
    monkeypatch.setattr(
        inference_cost,
        "official_inference_cost",
        lambda wrapper, **options: {
            "total_cost": {"total_bops": 7.0, "total_mem_w_bits": 8.0, "unsupported": "set()"}
        },
    )
    with pytest.raises(CostMismatchError) as error:
        cost_of(hand_made.dense(np.ones((24, 2048))))
    assert str(error.value) == (
        "bit operations of hand_made must be the same by layer as by qonnx's inference_cost, "
        "not 1572864 and 7: please report this network"
    )


def test_what_the_official_tool_cannot_read_is_an_error():
    net = hand_made.Network()
    flat = net.add("Flatten", net.input, output="flat", axis=1)
    proto = net.finish(net.add("Sparkle", flat, output="logits", domain=hand_made.QONNX))
    with pytest.raises(UnsupportedOperatorError) as error:
        cost_of(proto)
    assert str(error.value).startswith(
        "hand_made must be a network that qonnx's inference_cost reads, which fails ("
    )


def test_the_baseline_scores_one():
    assert score(807_699_904, 1_244_936) == 1


def test_the_command_prints_one_json_document(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.dense().SerializeToString())
    one = CliRunner().invoke(app, ["cost", str(path), "--json"])
    two = CliRunner().invoke(app, ["cost", str(path), str(path), "--json"])
    document = json.loads(one.stdout)
    assert json.loads(two.stdout) == [document, document]
    assert document == json.loads(json.dumps(count(onnx_file.load(path)).as_dict()))
    assert {"model", "bops", "weight_bits", "macs", "score", "findings", "layers"} <= set(document)


def test_the_command_prints_comma_separated_values(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    rows = list(
        csv.DictReader(CliRunner().invoke(app, ["cost", str(path), "--csv"]).stdout.split("\n"))
    )
    assert [row["name"] for row in rows] == ["conv", "fc"]
    assert rows[0]["output_shape"] == "1×8×512"
    assert sum(int(row["bops"]) for row in rows) == count(onnx_file.load(path)).bops


def test_one_form_at_a_time(tmp_path):
    done = CliRunner().invoke(app, ["cost", "x.onnx", "--csv", "--json"])
    assert str(done.exception) == ("output must be either --csv or --json, not both: leave one out")


@pytest.mark.referee
@pytest.mark.parametrize(
    ("name", "bops", "weight_bits", "told"),
    [
        ("bacalhaunet_v1", 19_242_864, 10_704, "0.016211"),
        ("vgg10_baseline", 807_699_904, 1_244_936, "1.000000"),
    ],
)
def test_published_networks_cost_what_their_authors_published(
    referees, name, bops, weight_bits, told
):
    path = referees / f"{name}.onnx"
    cost = count(onnx_file.load(path))
    assert (cost.bops, cost.weight_bits) == (bops, weight_bits)
    assert told in CliRunner().invoke(app, ["cost", str(path)]).stdout
