import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cost import inference_cost
from boltmod.cost.published import PUBLISHED, REAL_TEST_SPLIT, Result, pareto_front, ranked
from boltmod.cost.score import score
from boltmod.cost.trained import TRAINED, TWIN_CEILING
from boltmod.errors import DataFormatError
from boltmod.evaluation.evaluate import evaluate
from boltmod.evaluation.metrics import Evaluation
from boltmod.evaluation.pareto import accuracy_over_score, own_result
from boltmod.model.onnx_file import load
from boltmod.modulation import CLASSES


@pytest.fixture
def run_folder(tmp_path):
    """A finished run: 30 % right on the twin, score 0.002."""
    folder = tmp_path / "mine"
    folder.mkdir()
    confusion = np.zeros((1, 24, 24), np.int64)
    confusion[0, 0, :2] = (3, 7)
    evaluation = Evaluation(confusion, (10,), "mine", "twin seed 0, 4 frames a cell", CLASSES)
    (folder / "evaluation.json").write_text(json.dumps(evaluation.as_dict()))
    cost = {"bops": 1_000_000, "weight_bits": 2000, "score": 0.002, "strict": {"score": 0.003}}
    (folder / "cost.json").write_text(json.dumps(cost))
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["leaderboard", *map(str, arguments)])


def counted():
    return [r for r in PUBLISHED if r.bops is not None and r.weight_bits is not None]


@pytest.mark.parametrize("result", counted(), ids=lambda result: result.name)
def test_published_scores_follow_from_the_published_counts(result):
    decimals = len(str(result.score).split(".")[1])
    assert score(result.bops, result.weight_bits) == pytest.approx(
        result.score, abs=0.51 * 10**-decimals
    )


def test_every_published_result_says_what_it_was_measured_on_and_by_whom():
    assert len({result.name for result in PUBLISHED}) == len(PUBLISHED) == 11
    for result in PUBLISHED:
        assert result.measured_on == REAL_TEST_SPLIT
        assert result.source
        assert 0.56 <= result.accuracy < 0.61


def test_the_order_is_by_score():
    names = [result.name for result in ranked(PUBLISHED)]
    assert names[:3] == ["AaronNet32++", "BacalhauNetV1", "AaronNet48++"]
    assert names[-1] == "VGG10 baseline"


def test_the_front_is_what_no_other_beats():
    front = pareto_front(PUBLISHED)
    for result in PUBLISHED:
        beaten = any(
            other.score <= result.score and other.accuracy > result.accuracy for other in PUBLISHED
        )
        assert (result in front) == (not beaten)


def test_an_own_run_is_read_with_its_data(run_folder):
    result = own_result(run_folder)
    assert result == Result(
        "mine", 0.3, 0.002, "twin seed 0, 4 frames a cell", str(run_folder), 1_000_000, 2000,
        0.003, "below the 56% that the challenge asks for", is_own=True,
    )  # fmt: skip


def test_the_table_says_what_an_own_accuracy_was_measured_on(run_folder):
    lines = run(run_folder).stdout.splitlines()
    own, first = (line.split() for line in lines[1:3])
    assert own[:7] == ["–", "mine", "30.00%", "0.002000", "0.003000", "1,000,000", "2,000"]
    assert " ".join(own[7:]) == "twin seed 0, 4 frames a cell"
    assert first[:3] == ["1", "AaronNet32++", "56.09%"]
    assert any(line.startswith("mine: below the 56% that the challenge asks for") for line in lines)
    assert sum(line.strip().endswith(REAL_TEST_SPLIT) for line in lines) == 11
    assert any("about 80 % of the test frames may have been trained on" in line for line in lines)


def test_one_json_document(run_folder):
    entries = json.loads(run(run_folder, "--json").stdout)
    assert [e["name"] for e in entries if e["is_own"]] == [
        "mine",
        "boltnet",
        "boltnet60",
        "bacalhaunet_v1",
        "imperial_ipc1",
    ]
    assert len(entries) == 16
    assert json.loads(run("--json").stdout)[0]["name"] == "AaronNet32++"


@pytest.mark.parametrize("result", TRAINED, ids=lambda result: result.name)
def test_a_network_of_ours_costs_what_its_file_costs(result):
    cost = inference_cost.count(load(result.name))
    assert (cost.bops, cost.weight_bits) == (result.bops, result.weight_bits)
    assert cost.score == pytest.approx(result.score, abs=5e-7)
    assert cost.strict.score == pytest.approx(result.strict_score, abs=5e-7)
    assert result.is_own
    assert (Path(__file__).parents[2] / result.source).exists()


def test_networks_of_ours_stand_apart():
    lines = [line.rstrip() for line in run().stdout.splitlines()]
    begin = lines.index("Networks that come with boltmod, measured on other frames:")
    assert not any("boltnet" in line for line in lines[:begin])
    rows = [" ".join(line.split()) for line in lines[begin:] if line]
    assert rows[1:] == [
        "network accuracy score strict bit operations weight bits accuracy measured on",
        "– boltnet 56.56% 0.002990 0.003269 2,175,528 4,092 twin 2, seed 2020, 40 frames a cell",
        "– boltnet60 59.80% 0.011530 0.011809 8,031,460 16,330 twin 2, seed 2020, 40 frames a cell",
        "– bacalhaunet_v1 48.80% 0.015949 0.015949 20,504,448 8,106 "
        "twin 2, seed 2020, 40 frames a cell",
        "– imperial_ipc1 55.31% 0.139960 0.165193 46,617,560 276,628 "
        "twin 2, seed 2020, 40 frames a cell",
        "boltnet (recipes/boltnet.toml)",
        "boltnet60 (recipes/boltnet60.toml)",
        "bacalhaunet_v1: below the 56% that the challenge asks for "
        "(recipes/bacalhaunet_v1_cpu.toml)",
        "imperial_ipc1: below the 56% that the challenge asks for (recipes/imperial_ipc1_cpu.toml)",
    ]


def test_the_picture_names_every_point(run_folder, tmp_path):
    figure = accuracy_over_score((*PUBLISHED, own_result(run_folder)))
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {result.name for result in PUBLISHED} <= texts
    assert "mine (twin seed 0)" in texts
    drawn = accuracy_over_score(PUBLISHED + TRAINED, ceiling=TWIN_CEILING).axes[0]
    texts = {text.get_text() for text in drawn.texts}
    assert {
        "boltnet (twin 2)",
        "boltnet60 (twin 2)",
        "bacalhaunet_v1 (twin 2)",
        "imperial_ipc1 (twin 2)",
        "ceiling of the twin: 71.0%",
    } <= texts
    path = tmp_path / "pareto.png"
    assert run(run_folder, "--picture", path).exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "command"), [("cost.json", "cost"), ("evaluation.json", "evaluate")]
)
def test_an_unfinished_run(run_folder, name, command):
    (run_folder / name).unlink()
    with pytest.raises(DataFormatError) as error:
        own_result(run_folder)
    assert str(error.value) == (
        f"{run_folder / name} must be what `boltmod {command} --json` prints, "
        "and is not there or damaged: let the run finish"
    )


def test_a_cost_of_another_kind(run_folder):
    (run_folder / "cost.json").write_text("{}")
    with pytest.raises(DataFormatError) as error:
        own_result(run_folder)
    assert str(error.value) == (
        f"{run_folder / 'cost.json'} must be what `boltmod cost --json` prints, and lacks "
        "'score': count it again with `boltmod cost`"
    )


def test_a_model_is_measured_and_stands_among_them(tmp_path):
    path = tmp_path / "dense.onnx"
    path.write_bytes(hand_made.dense().SerializeToString())
    options = ("--frames-per-cell", 1, "--seed", 5, "--json")
    (found,) = [e for e in json.loads(run(path, *options).stdout) if e["name"] == "dense"]
    counted = inference_cost.count(load(path))
    assert (found["bops"], found["weight_bits"]) == (counted.bops, counted.weight_bits)
    assert found["score"] == pytest.approx(counted.score)
    assert found["strict_score"] == pytest.approx(counted.strict.score)
    assert found["measured_on"] == "twin 2, seed 5, 1 frame a cell"
    assert found["accuracy"] == evaluate(path, "twin", frames_per_cell=1, seed=5).accuracy
    assert found["is_own"]
