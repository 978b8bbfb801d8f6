"""Submissions: packed from a run, held against the rules, and never trusted."""

import hashlib
import io
import json
import os
import pickle
import stat
import zipfile
from functools import partial

import h5py
import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.challenge import archive, form, measured, network_rules, state_dict
from boltmod.challenge.archive import Archive
from boltmod.challenge.check import check, model_of
from boltmod.challenge.entry import drawn_seed
from boltmod.challenge.pack import Notes, pack
from boltmod.cli.app import app
from boltmod.cost.inference_cost import count
from boltmod.data.radioml import grid_labels
from boltmod.data.split import official_split
from boltmod.data.twin import twin_cells
from boltmod.errors import CheckpointError, ConfigError, CostMismatchError, DataFormatError
from boltmod.evaluation.evaluate import evaluate as asked
from boltmod.evaluation.metrics import evaluate
from boltmod.export.qonnx import trace
from boltmod.model import onnx_file
from boltmod.model.metadata import Metadata
from boltmod.nn import registry
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.train import checkpoint
from tiny_recipe import NETWORK, RECIPE


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A run folder as after `boltmod run`, of a network that saw noise only."""
    files = RunFolder(tmp_path_factory.mktemp("runs") / "tiny")
    files.path.mkdir()
    torch.manual_seed(3)
    parameters = dict(NETWORK)
    network = registry.build(registry.parse(parameters.pop("name"), parameters))
    for _ in range(3):
        network.train()(torch.randn(32, 2, 1024))
    network.eval()
    files.recipe.write_text(RECIPE)
    files.environment.write_text("{}")
    files.model.write_bytes(trace(network, Metadata()).SerializeToString())
    model = onnx_file.load(files.model)
    files.cost.write_text(json.dumps(count(model).as_dict()))
    frames = [tuple(each.numpy() for each in batch) for batch in twin_cells(1, 5)]
    scores = evaluate(
        partial(Classifier(model).logits, scale=False), frames, data="twin seed 5, 1 frame a cell"
    )
    files.evaluation.write_text(json.dumps(scores.as_dict()))
    path = files.checkpoints / "02-prune" / "final.safetensors"
    checkpoint.save(checkpoint.Checkpoint(network.state_dict()), path)
    return files


@pytest.fixture(scope="session")
def submission(finished_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("zips") / "tiny.zip"
    pack(finished_run.path, path, Notes("https://example.org/tiny", "none"))
    return path


def rezip(source, target, changes=None, without=()):
    """Copy an archive with some files replaced, added or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        contents = {name: old.read(name) for name in old.namelist() if name not in without}
        for name, content in (contents | (changes or {})).items():
            new.writestr(name, content)
    return target


def verdicts(path, data=None):
    return {criterion.name: criterion for criterion in check(path, data)}


def refusal(path):
    with pytest.raises(DataFormatError) as error:
        check(path)
    return str(error.value).replace(str(path), "ZIP")


def with_model(submission, target, proto):
    return rezip(submission, target, {"model.onnx": proto.SerializeToString()})


# Packing


def test_a_packed_run_keeps_every_rule_that_can_be_checked_without_the_data(submission):
    found = verdicts(submission)
    opened = [name for name, criterion in found.items() if criterion.passed is None]
    assert opened == ["prescribed test split", "accuracy at least 56.000%"]
    assert all(found[name].passed for name in found if name not in opened)
    reason = found["checkpoint equals model"].reason
    assert reason.startswith("frames of the twin: same class as the network on all 624 frames")
    assert "twin seed 5, 1 frame a cell" in found["accuracy at least 56.000%"].reason


def test_the_archive_holds_what_the_rules_ask_for(submission, finished_run):
    packed = Archive(submission)
    names = packed.names()
    assert {"submission_form.txt", "model.onnx", "checkpoint.pth", "Dockerfile"} <= set(names)
    assert "source/src/boltmod/cost/inference_cost.py" in names
    assert "source/pyproject.toml" in names
    assert packed.read("model.onnx") == finished_run.model.read_bytes()
    assert "qonnx==" in packed.read("requirements.txt").decode()
    assert not [name for name in names if "__pycache__" in name]


def test_the_sources_in_the_archive_are_a_working_boltmod(submission, tmp_path):
    import subprocess
    import sys

    with zipfile.ZipFile(submission) as file:
        file.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "import boltmod; from boltmod.cli.app import main; main()", "-h"],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "source" / "src")},
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "classify" in done.stdout


def test_packing_twice_gives_the_same_bytes(submission, finished_run, tmp_path):
    again = tmp_path / "again.zip"
    pack(finished_run.path, again, Notes("https://example.org/tiny", "none"))
    assert again.read_bytes() == submission.read_bytes()


def test_the_state_dict_is_read_by_torch_without_trust(submission, finished_run):
    content = Archive(submission).read("checkpoint.pth")
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    path = finished_run.checkpoints / "02-prune" / "final.safetensors"
    saved = checkpoint.load(path).network
    assert list(tensors) == list(saved)
    assert all(torch.equal(tensors[name], saved[name]) for name in saved)


@pytest.mark.parametrize(
    "name", ["recipe.toml", "model.onnx", "cost.json", "evaluation.json", "checkpoints"]
)
def test_an_unfinished_run_is_not_packed(finished_run, tmp_path, name):
    run = tmp_path / "run"
    for path in finished_run.path.rglob("*"):
        if path.is_file() and not path.is_relative_to(finished_run.path / name):
            target = run / path.relative_to(finished_run.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    missing = "its last checkpoint" if name == "checkpoints" else name
    with pytest.raises(ConfigError) as error:
        pack(run, tmp_path / "x.zip")
    assert str(error.value) == f"{run} must be a finished run, and lacks {missing}: let it finish"
    assert not list(tmp_path.glob("x.zip*"))


def test_a_cost_that_was_tampered_with_is_not_packed(finished_run, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for path in finished_run.path.glob("*.*"):
        (run / path.name).write_bytes(path.read_bytes())
    told = json.loads((run / "cost.json").read_text())
    (run / "cost.json").write_text(json.dumps(told | {"bops": 7}))
    with pytest.raises(CostMismatchError) as error:
        pack(run, tmp_path / "x.zip")
    assert str(error.value) == (
        f"bops in {run / 'cost.json'} must be the model's {told['bops']:,}, not 7: "
        "count again with `boltmod cost --json`"
    )


# The form


def test_a_form_that_is_written_is_read():
    filled = form.Form("0.56 (on x)", "0.01", '{\n "a": 1\n}', "m.onnx", "c.pth", "u", "do\nthis")
    assert form.parse(form.write(filled)) == filled
    assert filled.claimed_accuracy == 0.56
    assert filled.claimed_cost == {"a": 1}


def test_forms_filled_in_by_others_are_read():
    text = (
        "### INFO ###\nThe format ...\n\n### FILL IN ###\n# Overall test accuracy reached:\n"
        "-> 56.241 %\n\n# Inference cost score reached:\n-> 0.016211\n\n# Complete output "
        'dictionary printed by the inference_cost() function:\n-> {"total_bops": 1.0}\n\n'
        "# Path to .onnx model within this zipfile:\n-> ./a.onnx\n\n# Path to .pth checkpoint "
        "within this zipfile:\n-> a.pth\n\n# Link to GitHub repository containing your code \n"
        "# (to be made public after submission deadline):\n-> u\n\n"
        "# Instructions for reproduction:\n-> run it\n\n# Further comments:\n-> \n"
    )
    found = form.parse(text)
    assert found.claimed_accuracy == pytest.approx(0.56241)
    assert (found.model, found.repository, found.comments) == ("./a.onnx", "u", "")


def test_a_form_with_a_gap_is_refused():
    filled = form.Form("0.56", "", "{}", "m", "c", "u", "i")
    with pytest.raises(DataFormatError) as error:
        form.parse(form.write(filled))
    assert str(error.value) == (
        "the form must answer 'Inference cost score reached:', and does not: fill it in"
    )


def test_a_zip_without_a_form(submission, tmp_path):
    found = verdicts(rezip(submission, tmp_path / "x.zip", without=["submission_form.txt"]))
    assert found["form filled in"].passed is False
    assert found["form filled in"].reason == "the archive holds no submission_form.txt"
    assert found["cost equals the form's"].passed is None


def test_a_form_in_a_folder_names_its_files_from_there(submission, tmp_path):
    with zipfile.ZipFile(submission) as old, zipfile.ZipFile(tmp_path / "x.zip", "w") as new:
        for name in old.namelist():
            new.writestr(f"team/{name}", old.read(name))
    assert verdicts(tmp_path / "x.zip")["checkpoint equals model"].passed


@pytest.mark.parametrize(
    ("old", "new"),
    [('"total_bops": ', '"total_bops": 1'), ("reached:\n-> 0.0", "reached:\n-> 0.1")],
)
def test_a_tampered_cost(submission, tmp_path, old, new):
    text = Archive(submission).read("submission_form.txt").decode()
    head, score_question, tail = text.partition("# Inference cost score")
    changed = head + score_question + tail.replace(old, new, 1)
    assert changed != text
    path = rezip(submission, tmp_path / "x.zip", {"submission_form.txt": changed})
    criterion = verdicts(path)["cost equals the form's"]
    assert criterion.passed is False
    assert "; the form says " in criterion.reason


# The network


def test_dynamic_shapes(submission, tmp_path):
    proto = onnx.load_model_from_string(Archive(submission).read("model.onnx"))
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    found = verdicts(with_model(submission, tmp_path / "x.zip", proto))
    criterion = found["input (1, 2, 1024) and static graph"]
    assert criterion.passed is False
    assert criterion.reason == "its input has shape (open, 2, 1024), not (1, 2, 1024)"
    assert found["cost equals the form's"].passed is None


def test_shapes_that_depend_on_the_frame():
    net = hand_made.Network()
    found = net.add("NonZero", net.input, output="where")
    flat = net.add("ReduceMax", found, output="most", keepdims=0)
    proto = net.finish(net.add("Cast", flat, output="logits", to=1))
    assert network_rules.why_not_static(onnx_file.from_proto(proto)) == (
        "the shape of 'where', which NonZero makes, is not fixed"
    )


def test_tensors_that_would_fill_the_memory():
    net = hand_made.Network()
    shape = net.constant("shape", [1, 2, 1024, 2**30], np.int64)
    axis = net.constant("axis", [3], np.int64)
    deep = net.add("Unsqueeze", net.input, axis, output="deep")
    big = net.add("Expand", deep, shape, output="big")
    flat = net.add("Flatten", net.add("ReduceMax", big, output="r", axes=[3]), output="y", axis=1)
    proto = net.finish(flat, 2048)
    assert network_rules.why_not_static(onnx_file.from_proto(proto)) == (
        "'big', which Expand makes, has 2,199,023,255,552 values"
    )


def test_a_static_graph_has_nothing_against_it():
    for proto in (hand_made.dense(), hand_made.convolutional(), hand_made.products()):
        model = onnx_file.from_proto(proto)
        assert network_rules.why_not_static(model) is None
        assert network_rules.why_not_uniform(model) is None


def test_unsupported_operators(submission, tmp_path):
    found = verdicts(with_model(submission, tmp_path / "x.zip", hand_made.products()))
    assert found["no unsupported operator"].passed is False
    assert found["no unsupported operator"].reason == "GlobalAveragePool, Slice"


def test_zero_points_and_missing_quantisers():
    net = hand_made.Network()
    flat = net.add("Flatten", net.quant(net.input, 1.0, 8, zero_point=3), output="y", axis=1)
    assert network_rules.why_not_uniform(onnx_file.from_proto(net.finish(flat, 2048))) == (
        "the zero point of Quant frames_q is not 0"
    )
    net = hand_made.Network()
    flat = net.add("Flatten", net.input, output="y", axis=1)
    assert network_rules.why_not_uniform(onnx_file.from_proto(net.finish(flat, 2048))) == (
        "it holds no quantiser at all"
    )


def test_another_network_than_the_checkpoints(submission, tmp_path):
    found = verdicts(with_model(submission, tmp_path / "x.zip", hand_made.dense()))
    assert found["checkpoint equals model"].passed is False
    assert found["cost equals the form's"].passed is False


def test_a_model_that_is_none(submission, tmp_path):
    found = verdicts(rezip(submission, tmp_path / "x.zip", {"model.onnx": b"nothing"}))
    assert found["model readable"].passed is False


# The checkpoint


class Evil:
    def __reduce__(self):
        return (os.system, ("touch pwned",))


def evil_checkpoint():
    buffer = io.BytesIO()
    torch.save({"weight": Evil()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [evil_checkpoint(), pickle.dumps(Evil()), b"PK", b""])
def test_checkpoints_run_no_code(submission, tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    found = verdicts(rezip(submission, tmp_path / "x.zip", {"checkpoint.pth": content}))
    assert found["checkpoint readable"].passed is False
    assert found["checkpoint equals model"].passed is None
    assert not (tmp_path / "pwned").exists()


def test_a_checkpoint_without_tensors():
    buffer = io.BytesIO()
    torch.save({"epoch": 3}, buffer)
    with pytest.raises(CheckpointError) as error:
        state_dict.parse(buffer.getvalue(), "c.pth")
    assert str(error.value) == (
        "c.pth must hold a state dict of tensors, and does not: "
        "save network.state_dict() with torch.save"
    )


def test_a_recipe_whose_network_can_be_built_and_does_not_run(submission, tmp_path):
    changes = {"recipe.toml": RECIPE.replace("pool = 8", "pool = 4096").encode()}
    found = verdicts(rezip(submission, tmp_path / "x.zip", changes))
    assert found["checkpoint equals model"].passed is None


def test_a_model_that_runs_nowhere(submission, tmp_path):
    proto = onnx.load_model_from_string(Archive(submission).read("model.onnx"))
    convolution = next(node for node in proto.graph.node if node.op_type == "Conv")
    kernel = next(each for each in convolution.attribute if each.name == "kernel_shape")
    kernel.ints[0] += 1
    found = verdicts(with_model(submission, tmp_path / "x.zip", proto))
    assert not found["checkpoint equals model"].passed


def test_a_checkpoint_of_another_training(submission, tmp_path):
    tensors = state_dict.parse(Archive(submission).read("checkpoint.pth"), "c")
    torch.manual_seed(0)
    other = {
        name: torch.randn_like(tensor) if name.endswith("weight") else tensor
        for name, tensor in tensors.items()
    }
    path = rezip(submission, tmp_path / "x.zip", {"checkpoint.pth": state_dict.dump(other)})
    assert verdicts(path)["checkpoint equals model"].passed is False


# The archive


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:\\x", "..\\x", "\\x"])
def test_paths_that_climb_out(submission, tmp_path, name):
    path = rezip(
        submission, tmp_path / "in" / "x.zip" if False else tmp_path / "x.zip", {name: b""}
    )
    told = refusal(path)
    assert told.startswith("ZIP must keep its files within its own folder, not lead to ")
    assert told.endswith(": do not unpack it")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.zip"]


def test_links(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    assert refusal(tmp_path / "x.zip") == (
        "ZIP must hold files, not the link 'link': pack what it points at"
    )


def forge_size(path, name, size):
    """Let the directory of an archive say that a file has another size than it has."""
    with zipfile.ZipFile(path, "a") as file:
        file.getinfo(name).file_size = size
        file._didModify = True  # type: ignore[attr-defined]


def test_a_zip_bomb_of_ten_gigabytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.onnx", bytes(10 * 2**20))
    forge_size(tmp_path / "x.zip", "model.onnx", 10 * 2**30)
    told = refusal(tmp_path / "x.zip")
    assert told.startswith("model.onnx in ZIP must not swell more than 200-fold, not ")
    assert told.endswith("-fold to 10,240 MiB: this looks like a zip bomb")


def test_many_files_that_are_too_large_together(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 3 * 2**20)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for number in range(4):
            file.writestr(str(number), bytes(2**20))
    assert refusal(tmp_path / "x.zip") == (
        "ZIP must hold at most 3 MiB unpacked, not 4 MiB: leave data sets out"
    )


def test_a_file_that_swells(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.onnx", bytes(64 * 2**20))
    assert refusal(tmp_path / "x.zip").endswith("-fold to 64 MiB: this looks like a zip bomb")


def test_a_file_that_is_larger_than_it_says(submission, tmp_path):
    """What is read stops at the size that was checked."""
    path = rezip(submission, tmp_path / "x.zip", {"huge": bytes(3 * 2**20)})
    forge_size(path, "huge", 10)
    with pytest.raises(DataFormatError) as error:
        Archive(path).read("huge")
    assert str(error.value) == f"huge in {path} must be readable, and is damaged: pack it again"


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for number in range(4):
            file.writestr(str(number), "")
    assert refusal(tmp_path / "x.zip") == (
        "ZIP must hold at most 3 files, not 4: pack the sources alone"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a", "1")
        file.writestr("a", "2")
    assert (
        refusal(tmp_path / "x.zip") == "ZIP must hold each file once, not 'a' twice: pack it again"
    )


def test_no_zip_at_all(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"hello")
    assert refusal(tmp_path / "x.zip") == (
        "ZIP must be a readable zip file, which it is not (File is not a zip file): "
        "give the file that `boltmod challenge pack` wrote"
    )


# The data


def test_the_split_of_the_full_grid_has_the_prescribed_hashes():
    labels = grid_labels(4096)
    parts = official_split(*labels)
    assert measured._split_problem(len(labels[0]), parts.test, parts.train) is None
    wrong = measured._split_problem(len(labels[0]), parts.test[::-1], parts.train)
    assert wrong.startswith("the test indices have SHA-256 ")


def write_twin(path, frames_per_cell=2):
    batches = [[each.numpy() for each in batch] for batch in twin_cells(frames_per_cell, 9)]
    planes, class_ids, snrs = (np.concatenate(column) for column in zip(*batches, strict=True))
    with h5py.File(path, "w") as file:
        file["X"] = planes.transpose(0, 2, 1)
        file["Y"] = np.eye(24, dtype=np.int64)[class_ids]
        file["Z"] = snrs[:, np.newaxis]
    return path


def test_an_accuracy_on_other_data_does_not_count(submission, tmp_path):
    found = verdicts(submission, write_twin(tmp_path / "twin.hdf5"))
    accuracy = found["accuracy at least 56.000%"]
    assert accuracy.passed is None
    assert (
        " of 624 frames of twin.hdf5, official test split, which is not RadioML" in accuracy.reason
    )
    split = found["prescribed test split"]
    assert (split.passed, split.reason) == (
        None,
        "not checked: the file has 1,248 frames, not the 2,555,904 that the split is made of",
    )
    assert found["checkpoint equals model"].passed


def real_data(accuracy, monkeypatch):
    """Stand in for the file that nobody may pass on."""
    found = measured.Measured(
        "GOLD.hdf5, official test split", 255_840, accuracy, accuracy, True, None, True
    )
    monkeypatch.setattr("boltmod.challenge.check.measure", lambda *arguments: found)


@pytest.mark.parametrize(
    ("reached", "claimed", "passed"),
    [
        (0.56, "0.560000", True),
        (0.5599, "0.5599", False),
        (0.58, "0.6", False),
        (0.61, "61 %", True),
    ],
)
def test_56_percent_must_be_reached_and_told(
    submission, tmp_path, monkeypatch, reached, claimed, passed
):
    text = Archive(submission).read("submission_form.txt").decode()
    first, rest = text.split("\n", 1)
    changed = f"{first}\n-> {claimed}\n{rest.split(chr(10), 1)[1]}"
    path = rezip(submission, tmp_path / "x.zip", {"submission_form.txt": changed})
    real_data(reached, monkeypatch)
    found = verdicts(path, tmp_path / "GOLD.hdf5")
    assert found["accuracy at least 56.000%"].passed is passed
    assert found["prescribed test split"].passed is True


# The commands


def test_the_commands(finished_run, tmp_path):
    path = tmp_path / "x.zip"
    run = CliRunner().invoke
    packed = run(app, ["challenge", "pack", str(finished_run.path), "-o", str(path), "--json"])
    assert (
        "(measured on: twin seed 5, 1 frame a cell)"
        in json.loads(packed.stdout)["form"]["accuracy"]
    )
    checked = run(app, ["challenge", "check", str(path), "--json"])
    document = json.loads(checked.stdout)
    assert (checked.exit_code, document["valid"]) == (0, None)
    broken = rezip(path, tmp_path / "y.zip", without=["Dockerfile"])
    checked = run(app, ["challenge", "check", str(broken)])
    assert checked.exit_code == 1
    assert "FAIL  Dockerfile: the archive holds none" in checked.stdout
    assert checked.stdout.splitlines()[-1] == "9 kept, 1 broken, 2 not checked"


# Entries of a leaderboard


def test_a_submission_becomes_an_entry_that_the_leaderboard_takes(submission, tmp_path):
    out = tmp_path / "tiny.entry.json"
    command = ["leaderboard", "submit", str(submission), "--out", str(out)]
    options = ["--frames-per-cell", "1", "--json"]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    provenance = document["provenance"]
    assert provenance["archive_sha256"] == hashlib.sha256(submission.read_bytes()).hexdigest()
    seed = provenance["question"]["seed"]
    result = document["result"]
    assert result["measured_on"] == f"twin 2, seed {seed}, 1 frame a cell"
    model = model_of(submission)
    assert result["bops"] == count(model).bops
    assert result["accuracy"] == asked(model, "twin", frames_per_cell=1, seed=seed).accuracy
    assert [each["name"] for each in document["criteria"] if each["passed"] is False] == []
    (listed,) = [each for each in json.loads(done.stdout) if each["name"] == result["name"]]
    assert listed == result
    again = CliRunner().invoke(app, [*command, *options])
    assert str(again.exception) == (
        f"{out} must not exist yet: choose another name, or replace it with --force"
    )
    assert json.loads(CliRunner().invoke(app, ["leaderboard", str(out), "--json"]).stdout) == (
        json.loads(done.stdout)
    )


def test_a_submission_that_breaks_a_rule_gets_no_entry(submission, tmp_path):
    broken = rezip(submission, tmp_path / "broken.zip", without=("Dockerfile",))
    done = CliRunner().invoke(app, ["leaderboard", "submit", str(broken)])
    assert str(done.exception) == (
        f"{broken} must keep every rule, and breaks 1: Dockerfile (the archive holds none): "
        "mend it and pack it again"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["broken.zip"]


def test_seeds_of_submissions_are_drawn():
    assert len({drawn_seed() for _ in range(20)}) == 20


def test_what_is_no_entry(tmp_path):
    path = tmp_path / "x.entry.json"
    path.write_text('{"kind": "a letter"}')
    done = CliRunner().invoke(app, ["leaderboard", str(path)])
    assert str(done.exception) == (
        f"{path} must be what `boltmod leaderboard submit` writes, and is not: submit again"
    )
