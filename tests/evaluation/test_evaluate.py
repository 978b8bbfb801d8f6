import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from boltmod.cli.app import app
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.data.radioml import RadioMLFile
from boltmod.errors import DataFormatError, ToolNotFoundError
from boltmod.evaluation.frames import file_frames, trained_on_another, twin_frames
from boltmod.model import metadata
from boltmod.modulation import CLASSES, MISLEADING_ORDER
from boltmod.signal.profile import PROFILES, TWIN

PICTURES = {
    "accuracy-over-snr.png", "accuracy-by-class.png", "confusion--4db.png", "confusion-4db.png",
    "confusion-10db.png", "confusion-30db.png", "reliability.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames a cell: one to test on, two to train on."""
    path = tmp_path_factory.mktemp("data") / "set.hdf5"
    make(Plan(frames_per_cell=3, seed=5), path)
    return path


def linear(path: Path, names: tuple[str, ...] = CLASSES) -> Path:
    """A classifier of one matrix product, its classes named in some order."""
    weights = np.random.default_rng(0).standard_normal((2048, 24)).astype(np.float32)
    weights = weights[:, [CLASSES.index(name) for name in names]]
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["iq"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info("iq", TensorProto.FLOAT, ["n", 2, 1024])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 24])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(metadata.write(model, metadata.Metadata(names)), path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    app([str(a) for a in arguments], standalone_mode=False)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_file_is_evaluated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    model = linear(tmp_path / "linear.onnx")
    out, _ = run(capsys, "evaluate", model, "--data", data, "--json", "--out", tmp_path / "out")
    document: dict[str, Any] = json.loads(out)
    assert document["n_frames"] == 624
    assert document["data"] == "set.hdf5, official test split"
    assert {p.name for p in (tmp_path / "out").iterdir()} == PICTURES | {"evaluation.json"}
    assert {Path(p).name for p in document.pop("pictures")} == PICTURES
    assert document.pop("engine") == "onnxruntime"  # its weights are not quantised
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text()) == document
    weights = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
    with file_frames(data) as frames:
        hits = [
            ids == (iq.reshape(len(iq), -1) @ weights).argmax(1) for iq, ids, _ in frames.batches
        ]
    assert document["accuracy"] == np.concatenate(hits).mean()


def test_the_twin_is_evaluated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = linear(tmp_path / "linear.onnx")
    out, _ = run(capsys, "evaluate", model, "--frames-per-cell", 1, "--seed", 3)
    assert out.startswith("linear.onnx on twin 2, seed 3, 1 frame a cell\naccuracy ")
    assert "  over 624 frames\n" in out
    assert "AM-SSB-WC" in out


def test_class_names_in_another_order_change_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    usual, _ = run(capsys, "evaluate", linear(tmp_path / "m.onnx"), "--data", data, "--json")
    backwards = linear(tmp_path / "m.onnx", CLASSES[::-1])
    out, _ = run(capsys, "evaluate", backwards, "--data", data, "--json")
    assert json.loads(out) == json.loads(usual)


def test_the_misleading_order_is_not_believed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    usual, _ = run(capsys, "evaluate", linear(tmp_path / "m.onnx"), "--data", data, "--json")
    misnamed = onnx.load(tmp_path / "m.onnx")
    onnx.save(metadata.write(misnamed, metadata.Metadata(MISLEADING_ORDER)), tmp_path / "m.onnx")
    out, err = run(capsys, "evaluate", tmp_path / "m.onnx", "--data", data, "--json")
    assert json.loads(out) == json.loads(usual)
    assert " ".join(err.split()).startswith(
        "note: the model's class names are not believed: they stand in the order of the data "
        "set's own classes.txt, which its labels do not follow: label 0 is OOK, not 32PSK"
    )


def test_other_classes_are_refused(tmp_path: Path, data: Path) -> None:
    names = (*CLASSES[:23], "noise")
    model = onnx.load(linear(tmp_path / "m.onnx"))
    onnx.save(metadata.write(model, metadata.Metadata(names)), tmp_path / "m.onnx")
    with pytest.raises(DataFormatError) as error:
        app(["evaluate", str(tmp_path / "m.onnx"), "--data", str(data)], standalone_mode=False)
    assert str(error.value) == (
        "class names must be those of RadioML 2018.01A's 24 classes, not noise; "
        f"its own are {', '.join(CLASSES)}"
    )


def test_splits_share_no_frame(data: Path) -> None:
    counts = {}
    for split in ("test", "train", "all"):
        with file_frames(data, split) as frames:
            counts[split] = {iq.tobytes() for batch in frames.batches for iq in batch[0]}
            assert len(counts[split]) == frames.n_frames
    assert counts["test"] | counts["train"] == counts["all"]
    assert not counts["test"] & counts["train"]


def test_a_few_frames_of_each_cell(data: Path) -> None:
    with file_frames(data, "train", 1) as frames, RadioMLFile(data) as file:
        assert frames.words == "set.hdf5, official training split, at most 1 frame a cell"
        assert frames.n_frames == 624
        cells = [(c, s) for _, ids, snrs in frames.batches for c, s in zip(ids, snrs, strict=True)]
        assert len(set(cells)) == 624
        assert file.class_ids.size == 3 * 624


def test_the_twin_s_frames_are_those_of_its_file(data: Path) -> None:
    drawn = np.concatenate([iq for iq, _, _ in twin_frames(3, 5).batches])
    with RadioMLFile(data) as file:
        np.testing.assert_array_equal(drawn, file.read(np.arange(len(file))))


def test_pictures_need_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    model = linear(tmp_path / "m.onnx")
    with pytest.raises(ToolNotFoundError) as error:
        app(["evaluate", str(model), "--out", str(tmp_path / "out")], standalone_mode=False)
    assert str(error.value) == (
        "pictures must have matplotlib, which is not installed; "
        "get it with `pip install boltmod[plot]`"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.referee
def test_a_published_network_knows_the_twin(
    capsys: pytest.CaptureFixture[str], referees: Path
) -> None:
    model = referees / "bacalhaunet_v1.onnx"
    out, _ = run(capsys, "evaluate", model, "--frames-per-cell", 2, "--seed", 1, "--json")
    assert 0.50 < json.loads(out)["accuracy"] < 0.62


def test_other_profiles_are_evaluated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = linear(tmp_path / "linear.onnx")
    out, _ = run(capsys, "evaluate", model, "--data", "field", "--frames-per-cell", 1, "--json")
    assert json.loads(out)["data"].startswith("field 2, seed ")
    twin, field = (
        next(iter(twin_frames(1, 3, profile).batches))[0] for profile in (TWIN, PROFILES["field"])
    )
    assert not np.array_equal(twin, field)


@pytest.mark.parametrize(
    ("trained_on", "profile", "note"),
    [
        ("profile twin", "twin 2", "trained on twin 1 and is asked about twin 2"),
        ("profile twin 2", "twin 2", ""),
        ("profiles twin and field", "twin 2", "trained on twin 1 and is asked about twin 2"),
        ("profiles twin 2 and field 1", "field 1", ""),
        ("profile textbook 1", "twin 2", ""),
        ("RadioML.hdf5", "twin 2", ""),
        ("profile twin", "", ""),
    ],
)
def test_a_model_of_another_twin_is_noted(trained_on: str, profile: str, note: str) -> None:
    told = trained_on_another(trained_on, profile)
    assert note in told
    assert bool(told) == bool(note)
