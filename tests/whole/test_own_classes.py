"""Classes and frame lengths of one's own, from a file of others to a label on a recording."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.cost import inference_cost
from boltmod.data.convert import Naming, Wanted, convert
from boltmod.data.radioml import RadioMLFile
from boltmod.data.source.frames import Sampling
from boltmod.data.source.opening import open_source
from boltmod.errors import ConfigError, DataFormatError
from boltmod.evaluation.evaluate import evaluate
from boltmod.evaluation.metrics import Evaluation
from boltmod.export.agreement import agreement
from boltmod.model.onnx_file import load
from boltmod.nn import registry
from boltmod.pipeline.recipe import Recipe
from boltmod.pipeline.run import run
from boltmod.run_folder import RunFolder
from boltmod.runtime.classify import classify
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from boltmod.runtime.window import Windows
from small_runs import Watcher

CLASSES = ("CPFSK", "PAM2", "tone")
LENGTH = 96


def signals(name: str, n: int, snr_db: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """(n, LENGTH) of a class, at a level far from 1, as RadioML 2016 has them."""
    bits = 2.0 * rng.integers(0, 2, (n, LENGTH // 8)).repeat(8, 1) - 1
    kinds = {
        "PAM2": bits.astype(complex),
        "CPFSK": np.exp(1j * np.cumsum(bits, 1) * np.pi / 6),
        "tone": np.ones((n, LENGTH), complex),
    }
    turned = kinds[name] * np.exp(2j * np.pi * rng.random((n, 1)))
    noise = rng.standard_normal((n, LENGTH, 2)) @ np.array([1, 1j]) / np.sqrt(2)
    return 0.01 * (turned + 10 ** (-snr_db / 20) * noise)


def planes(iq: NDArray[np.complex128]) -> NDArray[np.float32]:
    return np.stack([iq.real, iq.imag], 1).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(3)
    cells = {(c, snr): planes(signals(c, 120, snr, rng)) for c in CLASSES for snr in (-3, 18)}
    (folder / "RML.pkl").write_bytes(pickle.dumps(cells))
    convert(folder / "RML.pkl", folder / "own.hdf5", wanted=Wanted(own_classes=True))
    return folder / "own.hdf5"


def recipe(data: Path, **more: object) -> Recipe:
    return Recipe.model_validate({
        "name": "own",
        "network": {"name": "bacalhaunet", "channels": [8, 12], "kernel_sizes": [9, 5],
                    "strides": [2, 2]},
        "data": {"source": "hdf5", "path": str(data), "frames_per_epoch": 0,
                 "validation_frames": 256, "classes": list(CLASSES), "frame_length": LENGTH} | more,
        "phases": [
            {"name": "float", "kind": "train", "quantised": False, "epochs": 8, "batch_size": 32},
            {"name": "quantise", "kind": "train", "epochs": 4, "batch_size": 32},
        ],
        "export": {"frames": 256},
    })  # fmt: skip


@pytest.fixture(scope="module")
def finished(data: Path, uncounted: None, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "own"
    watcher = Watcher()
    run(recipe(data), folder, watcher, watcher.notify)
    return RunFolder(folder)


def test_a_converted_file_keeps_its_classes_and_lengths(data: Path) -> None:
    with RadioMLFile(data) as file:
        assert file.layout.classes == CLASSES
        assert file.layout.frame_length == LENGTH
        assert np.unique(file.snr_labels).tolist() == [-3, 18]
        read = file.read(np.arange(0, len(file), 7)).astype(float)
    assert np.allclose(read.var(2).sum(1), 1, atol=1e-5)


def test_a_network_of_own_classes_goes_the_whole_way(finished: RunFolder, data: Path) -> None:
    model = load(finished.model)
    assert (model.classes, model.frame_length) == (CLASSES, LENGTH)
    found = Evaluation.from_dict(json.loads(finished.evaluation.read_text()))
    assert found.classes == CLASSES
    assert found.by_snr[18] > 0.8
    again = evaluate(finished.model, data)
    assert np.array_equal(again.confusion, found.confusion)
    assert again.data == "own.hdf5, official test split"
    cost = inference_cost.count(model)
    # 24 outputs and 1024 samples would cost ten times as much.
    assert 0 < cost.macs < 6_000
    assert "CPFSK" in finished.report.read_text()


def test_both_engines_agree_on_frames_of_another_length(finished: RunFolder) -> None:
    frames = planes(signals("CPFSK", 40, 3, np.random.default_rng(8))) * 70
    integer = Classifier(finished.model, 1, "integer").logits(frames, scale=False)
    floating = Classifier(finished.model, 1, "onnxruntime").logits(frames, scale=False)
    found = agreement(integer, floating, 0.1)
    assert found.same_class == 40
    # A sum may lie on the edge between two levels, and floating point round it to the other one.
    assert found.identical_scores >= 38


def test_a_recording_is_cut_to_the_networks_frames(finished: RunFolder, tmp_path: Path) -> None:
    iq = signals("PAM2", 40, 18, np.random.default_rng(5)).reshape(-1)
    result = classify(iq, finished.model, rate_hz=1e6)
    assert len(result) == 40
    assert result[3].sample_start == 3 * LENGTH
    assert sum(each.class_name == "PAM2" for each in result) > 30
    path = tmp_path / "one.cf32"
    iq.astype(np.complex64).tofile(path)
    said = CliRunner().invoke(
        app, ["classify", str(path), "-m", str(finished.model), "--rate", "1e6", "--json"]
    )
    assert json.loads(said.stdout)["n_windows"] == 40


def test_a_signals_window_is_several_short_frames(finished: RunFolder) -> None:
    iq = signals("tone", 22, 18, np.random.default_rng(6)).reshape(2, -1)[:, :1024]
    windows = Windows(iq.astype(np.complex64), [0, 1024], 1024, 1e6)
    classifier = Classifier(finished.model, 1)
    shares = classifier.probabilities(iq[0, : 10 * LENGTH].reshape(10, LENGTH)).mean(0)
    found = label(classifier, windows)
    assert found[0].shares == pytest.approx(shares, abs=1e-6)


def test_a_profile_gives_some_classes_and_shorter_frames(tmp_path: Path) -> None:
    section = recipe(tmp_path).data.model_copy(
        update={"source": "twin", "path": None, "classes": ("FM", "BPSK"), "frame_length": 256,
                "frames_per_epoch": 64}
    )  # fmt: skip
    source = open_source(section, Sampling(seed=4, batch_size=32))
    batch = next(iter(source.batches(0)))
    assert batch.iq_planes.shape == (32, 2, 256)
    assert set(batch.class_ids.tolist()) == {0, 1}
    assert np.allclose(batch.iq_planes.var(2, correction=0).sum(1), 1, atol=1e-5)


def test_a_model_is_asked_about_the_classes_it_knows(finished: RunFolder, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    cells = {(c, 18): planes(signals(c, 20, 18, rng)) for c in ("tone", "PAM2")}
    cells |= {("other", 18): planes(signals("tone", 20, -3, rng))}
    (tmp_path / "more.pkl").write_bytes(pickle.dumps(cells))
    convert(tmp_path / "more.pkl", tmp_path / "more.hdf5", wanted=Wanted(own_classes=True))
    found = evaluate(finished.model, tmp_path / "more.hdf5", split="all")
    assert found.n_frames == 40
    assert found.data == "more.hdf5, all frames, the 2 classes that the model knows"
    assert set(found.by_class) == {"PAM2", "tone"}


def test_what_a_recipe_says_must_be_in_the_file(data: Path) -> None:
    sampling = Sampling(seed=1, batch_size=32)
    with pytest.raises(ConfigError) as error:
        open_source(recipe(data, classes=["CPFSK", "BPSK"]).data, sampling)
    assert str(error.value) == (
        f"{data}: data.classes must be among CPFSK, PAM2, tone, which the file has, not BPSK"
    )
    with pytest.raises(ConfigError) as error:
        open_source(recipe(data, frame_length=128).data, sampling)
    assert str(error.value) == (
        f"{data}: data.frame_length must be 96, as long as the file's frames are, not 128"
    )
    with pytest.raises(DataFormatError, match=r"^frames of .* must have 1024 samples, as the mod"):
        evaluate("boltnet", data)


def test_a_recipe_says_classes_in_one_place(data: Path) -> None:
    document = recipe(data).document
    assert document["data"]["classes"] == list(CLASSES)
    assert not {"class_names", "frame_length"} & document["network"].keys()
    assert Recipe.model_validate(document).config == recipe(data).config
    usual = recipe(data).data.model_copy(update={"classes": (), "frame_length": 1024})
    assert not {"classes", "frame_length"} & usual.model_dump().keys()
    with pytest.raises(ValueError, match=r"network\.frame_length must be left out: \[data\] says"):
        Recipe.model_validate(document | {"network": {"name": "vgg10", "frame_length": 128}})


@pytest.mark.parametrize("name", sorted(set(registry.NETWORKS)))
def test_every_network_takes_other_classes_and_lengths(name: str) -> None:
    config = replace(registry.parse(name, {}), class_names=("a", "b", "c"), frame_length=512)
    registry.check(config)


def test_too_short_frames_are_an_error() -> None:
    with pytest.raises(ConfigError, match="must leave one sample of 96, not halve them 7 times"):
        registry.build(replace(registry.parse("vgg10", {}), frame_length=96))


def test_tim_files_are_read_with_their_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = []
    for number, name in enumerate(["bpsk", "msk", "bpsk", "msk"], start=1):
        folder = tmp_path / "set" / f"Batch_Dir_{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        iq = rng.standard_normal((256, 2)).astype("<f4")
        head = np.array([2, 256], "<i4").tobytes()
        (folder / f"signal_{number}.tim").write_bytes(head + iq.tobytes())
        lines.append(f"{number} {name} 11 -7.4e-04 9.9e-01 10 9 {number + 0.4} 0.0")
    (tmp_path / "set" / "signal_record.txt").write_text("\n".join(lines))
    wanted = Wanted(own_classes=True, frame_length=128)
    made = convert(tmp_path / "set", tmp_path / "cspb.hdf5", wanted=wanted)
    assert made.n_by_class == {"bpsk": 4, "msk": 4}
    with RadioMLFile(tmp_path / "cspb.hdf5") as file:
        assert file.snr_labels.tolist() == [1, 1, 3, 3, 2, 2, 4, 4]
        last = file.read([7])[0]
    assert np.corrcoef(last[0], iq[128:, 0])[0, 1] == pytest.approx(1)
    (tmp_path / "set" / "Batch_Dir_0" / "signal_9.tim").write_bytes(b"\0" * 64)
    with pytest.raises(DataFormatError, match=r"must say what signal_9\.tim is, as CSPB"):
        convert(tmp_path / "set", tmp_path / "no.hdf5", wanted=wanted)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_torchsig_s_files_are_read(tmp_path: Path, version: str) -> None:
    rng = np.random.default_rng(4)
    iq = (rng.standard_normal((4, 64, 2)) @ np.array([1, 1j])).astype(np.complex64)
    (tmp_path / "set").mkdir()
    with h5py.File(tmp_path / "set" / "data.h5", "w") as file:
        file.attrs["torchsig_version"] = version
        for number, name in enumerate(["qpsk", "fm", "fm", "qpsk"]):
            facts = {"class_name": name, "snr_db": 7.6}
            key = str(10 + number)
            if version == "1.0":
                file[f"{number}/data"] = iq[number]
                where = f"{number}/metadata/0"
            else:
                file[f"index/{number}"] = key
                file.create_dataset(f"data/{key}", data=iq[number], compression="lzf", chunks=True)
                file[f"component_signals/{key}"] = ["9" + key]
                where = f"metadata/9{key}"
            for fact, value in facts.items():
                file[f"{where}/{fact}"] = value
    made = convert(tmp_path / "set", tmp_path / "out.hdf5", wanted=Wanted(own_classes=True))
    assert made.n_by_class == {"fm": 2, "qpsk": 2}
    with RadioMLFile(tmp_path / "out.hdf5") as opened:
        assert set(opened.snr_labels.tolist()) == {8}
        last = opened.read([3])[0]
    assert np.corrcoef(last[0], iq[3].real)[0, 1] == pytest.approx(1)
    with h5py.File(tmp_path / "set" / "data.h5", "a") as file:
        if version == "1.0":
            file["2/metadata/1/class_name"] = "am"
        else:
            del file["component_signals/12"]
            file["component_signals/12"] = ["912", "913"]
    with pytest.raises(DataFormatError, match="must hold one signal, and frame 2 holds 2"):
        convert(tmp_path / "set", tmp_path / "no.hdf5", wanted=Wanted(own_classes=True))


def test_a_folder_of_annotated_recordings_is_a_data_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("door", "key"):
        iq = rng.standard_normal((1000, 2)).astype("<f4")
        (tmp_path / f"{name}.sigmf-data").write_bytes(iq.tobytes())
        document = {
            "global": {"core:datatype": "cf32_le", "core:version": "1.2.0"},
            "captures": [{"core:sample_start": 0}],
            "annotations": [
                {"core:sample_start": 100, "core:sample_count": 450, "core:label": name}
            ],
        }
        (tmp_path / f"{name}.sigmf-meta").write_text(json.dumps(document))
    wanted = Wanted(own_classes=True, frame_length=200)
    with pytest.raises(ConfigError, match="must say each frame's SNR, and does not"):
        convert(tmp_path, tmp_path / "own.hdf5", wanted=wanted)
    made = convert(tmp_path, tmp_path / "own.hdf5", Naming(), 10, wanted=wanted)
    assert made.n_by_class == {"door": 2, "key": 2}
    with RadioMLFile(tmp_path / "own.hdf5") as file:
        part = file.read([3])[0]
    assert np.corrcoef(part[1], iq[300:500, 1])[0, 1] == pytest.approx(1)


def test_the_command_keeps_what_is_ones_own(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.hdf5"
    command = ["data", "convert", str(data.with_name("RML.pkl")), str(out), "--own-classes",
               "--classes", "tone,PAM2,phase,CPFSK=phase", "--frame-length", "32"]  # fmt: skip
    said = CliRunner().invoke(app, command)
    assert said.output.splitlines()[-2:] == [
        "frames of 96 samples, cut into frames of 32",
        'in a recipe: classes = ["tone", "PAM2", "phase"], frame_length = 32',
    ]
    said = CliRunner().invoke(app, ["data", "info", str(out), "--json"])
    assert json.loads(said.stdout)["classes"] == ["tone", "PAM2", "phase"]
    said = CliRunner().invoke(app, ["data", "check", str(out), "--json"])
    assert json.loads(said.stdout)["origin"] == "own"
