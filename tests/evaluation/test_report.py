import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boltmod.errors import DataFormatError
from boltmod.evaluation import plots
from boltmod.evaluation.metrics import Calibration, Evaluation
from boltmod.evaluation.report import write_report
from boltmod.modulation import CLASSES, SNR_LABELS
from boltmod.run_folder import RunFolder

VOID = {"meta", "link", "br", "img", "input", "hr"}


def evaluation() -> Evaluation:
    """Ten frames a cell, the better answered the higher the SNR."""
    rng = np.random.default_rng(0)
    confusion = np.zeros((26, 24, 24), np.int64)
    for i in range(26):
        right = min(10, i // 2)
        confusion[i] += right * np.eye(24, dtype=np.int64)
        for true in range(24):
            np.add.at(confusion[i, true], rng.integers(0, 24, 10 - right), 1)
    return Evaluation(
        confusion, SNR_LABELS, "net", "twin seed 7, <10> frames a cell",
        calibration=Calibration((6240,), (0.5,), (0.45,)),
    )  # fmt: skip


def layer(name: str, share: float) -> dict[str, Any]:
    return {
        "name": name, "type": "Conv", "output_shape": [1, 16, 512], "weights": 320,
        "nonzero_weights": 200, "macs": 102400, "weight_datatype": "INT4", "act_datatype": "UINT4",
        "bops": 1638400, "weight_bits": 800, "share": share,
    }  # fmt: skip


def run_folder(path: Path) -> RunFolder:
    """A run of three phases, as `boltmod run` leaves it."""
    run = RunFolder(path)
    path.mkdir()
    run.recipe.write_text('name = "<demo> & co"\nseed = 7\n')
    run.environment.write_text(json.dumps({"boltmod": "0.1.0", "processor": "a <fast> one"}))
    lines: list[dict[str, Any]] = []
    for phase, kind, n in (("train", "train", 6), ("prune-1", "prune", 2), ("prune-2", "prune", 2)):
        for epoch in range(n):
            loss = 3.0 - 0.2 * len(lines)
            lines.append(
                {
                    "event": "epoch", "phase": phase, "epoch": epoch, "loss": loss,
                    "validation_loss": loss + 0.1, "accuracy": 0.04 * len(lines) + 0.05,
                    "validation_accuracy": 0.04 * len(lines) + 0.04, "seconds": 12.0,
                }
            )  # fmt: skip
        lines.append({"event": "phase", "phase": phase, "kind": kind, "sparsity": 0.25})
        lines[-1] |= {"validation_accuracy": 0.4, "score": 0.05, "bops": 1e6, "seconds": 200.4}
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    cost = {
        "model": "net", "bops": 3276800, "weight_bits": 1600, "macs": 204800, "score": 0.002671,
        "strict": {"score": 0.004},
        "findings": [{"name": "input", "message": "The input is counted at <8> bits."}],
        "layers": [layer("stem", 0.75), layer("head", 0.25)],
    }  # fmt: skip
    run.cost.write_text(json.dumps(cost))
    run.evaluation.write_text(json.dumps(evaluation().as_dict()))
    return run


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects ids, links and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href", "action"):
                self.links.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(path: Path) -> tuple[Reader, str]:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


def test_the_report_tells_the_run(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    assert write_report(run) == run.report
    _, text = read(run.report)
    accuracy = 100 * evaluation().accuracy
    for words in (
        f"accuracy {accuracy:.1f} %",
        "Measured on twin seed 7, <10> frames a cell: 6,240 frames of 24 classes at 26 SNR labels.",
        "Chance is 4.2 %.",
        "score 0.002671",
        "strict score 0.004000",
        "bit operations 3.28 M 3,276,800 an inference",
        "weight bits 1.6 k",
        "prune-2 prune 2 40.0 % 25.0 % 1,000,000 – 0.050000 3 min 20 s",
        "stem 75.0 % 1×16×512 320 200 102,400 UINT4 × INT4 1,638,400 800",
        "together 640 400 204,800 3,276,800 1,600",
        "The input is counted at <8> bits.",
        'name = "<demo> & co"',
        "processor a <fast> one",
        "With boltmod 0.1.0 and its extra train installed (pip install '.[train]' in its source)",
        "+30 dB: ",
    ):
        assert words in text, words


def test_the_report_opens_offline(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    reader, _ = read(write_report(run))
    html = run.report.read_text(encoding="utf-8")
    assert all(link.startswith("#") for link in reader.links)
    assert "<script" not in html
    assert not re.search(r"@import|url\((?!#)", html)
    assert len(reader.ids) == len(set(reader.ids))
    assert {link[1:] for link in reader.links} <= set(reader.ids)
    assert html.count("<svg") == 9


def test_values_are_told_when_pointed_at_and_read_aloud(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    html = write_report(run).read_text(encoding="utf-8")
    found = evaluation()
    lines = [f"<title>{plots.signed(s)} dB: {share:.1%}<" for s, share in found.by_snr.items()]
    assert all(html.count(line) == 1 for line in lines)
    shares = found.confusion[-1] / found.confusion[-1].sum(1, keepdims=True)
    drawn = [f"QPSK taken for {CLASSES[x]}: {shares[4, x]:.1%}" for x in np.flatnonzero(shares[4])]
    assert all(f"<title>{line}</title>" in html for line in drawn)
    assert "<title>50.0% promised, 45.0% right, 6,240 frames</title>" in html
    titles = re.findall(r'<svg role="img" aria-labelledby="([^"]+)"', html)
    assert len(titles) == html.count("<svg")
    assert all(f'<title id="{title}">' in html for title in titles)


def test_the_report_has_contents_and_the_export_s_verification(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    document = {"frames": 512, "same_class": 511, "largest_difference": 3e-7,
                "identical_scores": 510}  # fmt: skip
    run.verification.write_text(json.dumps(document))
    reader, text = read(write_report(run))
    assert "of these given the same class 511" in text
    assert "largest difference of a score 3.0e-07 standard deviations" in text
    assert {"#accuracy-over-snr", "#what-is-taken-for-what", "#cost-by-layer", "#recipe",
            "#the-exported-model-against-the-network"} <= set(reader.links)  # fmt: skip


def test_pictures_follow_the_reader_s_scheme(tmp_path: Path) -> None:
    html = write_report(run_folder(tmp_path / "demo")).read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in html
    pictures = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    colours = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", pictures))
    assert colours == set()
    assert "stroke: var(--blue, #0072b2)" in html


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert sorted(p.name for p in run.path.iterdir()) == [
        "cost.json", "environment.json", "evaluation.json", "metrics.jsonl", "recipe.toml",
        "report.html",
    ]  # fmt: skip


def test_an_unfinished_run_has_a_report(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    for path in (run.cost, run.evaluation, run.environment):
        path.unlink()
    run.metrics.write_text('{"event": "epoch", "phase": "train", "loss": 3.0}\n{"event": "ep')
    _, text = read(write_report(run))
    assert "Not evaluated yet. Cost not counted yet." in text
    run.metrics.unlink()
    _, text = read(write_report(run))
    assert "Training Not begun yet." in text


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "demo")
    run.metrics.write_text('{"event": "ep\n{"event": "epoch"}\n')
    with pytest.raises(DataFormatError) as error:
        write_report(run)
    assert str(error.value) == (
        f"{run.metrics} must hold one JSON object a line, not what line 1 holds; remove that line"
    )
    run.metrics.unlink()
    run.cost.write_text("{")
    with pytest.raises(DataFormatError) as error:
        write_report(run)
    assert str(error.value).startswith(f"{run.cost} must be JSON, and is not (")
    assert not run.report.exists()


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError) as error:
        write_report(RunFolder(tmp_path))
    assert str(error.value) == (
        f"{tmp_path} must be a run folder with a recipe.toml, and has none; "
        "make one with `boltmod run RECIPE --out DIR`"
    )
