"""The report of a run: one HTML file that opens offline.

It reads the run folder's files and nothing else; what a run has not made yet, the report leaves
out and says so.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from boltmod.cost.published import PUBLISHED
from boltmod.errors import DataFormatError
from boltmod.evaluation import page, plots
from boltmod.evaluation.metrics import Evaluation
from boltmod.evaluation.page import Bar
from boltmod.evaluation.pareto import accuracy_over_score, own_result
from boltmod.evaluation.possible import share_of_possible
from boltmod.files import write_text
from boltmod.modulation import CLASSES
from boltmod.run_folder import RunFolder
from boltmod.untrusted import MOST_TEXT_BYTES, read_by, read_bytes, said

Record = Mapping[str, Any]

HIGH_SNR = 10
"""SNR label in dB from which on the second headline accuracy is taken."""


def write_report(run: RunFolder) -> Path:
    """Write a run's report, again if there is one.

    Args:
        run: The run folder; it needs a recipe at least.

    Returns:
        The report's path.

    Raises:
        DataFormatError: The folder is no run folder, or a file in it is damaged.
    """
    if not run.recipe.is_file():
        raise DataFormatError(
            f"{run.path} must be a run folder with a {run.recipe.name}, and has none; "
            "make one with `boltmod run RECIPE --out DIR`"
        )
    with read_by("python", run.path, "as `boltmod run` leaves a folder", "run it again"):
        html = _html(run)
    write_text(run.report, html)
    return run.report


def _html(run: RunFolder) -> str:
    records = list(_records(run.metrics))
    epochs = [r for r in records if r.get("event") == "epoch"]
    phases = [r for r in records if r.get("event") == "phase"]
    cost, environment = _json(run.cost), _json(run.environment) or {}
    document = _json(run.evaluation)
    evaluation = None if document is None else Evaluation.from_dict(document)
    name = run.path.resolve().name
    return page.page(
        f"boltmod: {name}",
        [
            page.header(name, "boltmod run", _headline(evaluation, cost)),
            _accuracy(evaluation),
            _confusion(evaluation),
            _training(epochs, phases),
            _cost(cost),
            _verification(_json(run.verification)),
            _published(run, evaluation) if evaluation is not None and cost is not None else "",
            _recipe(run, environment),
        ],
    )


def _headline(evaluation: Evaluation | None, cost: Record | None) -> str:
    figures, sentence = [], "Not evaluated yet."
    if evaluation is not None:
        figures.append(("accuracy", _percent(evaluation.accuracy), _margin(evaluation)))
        if max(evaluation.snr_labels) >= HIGH_SNR:
            high = _percent(evaluation.accuracy_from(HIGH_SNR))
            figures.append((f"from +{HIGH_SNR} dB up", high, "SNR label +10 dB and more"))
        sentence = (
            f"Measured on {evaluation.data}: {evaluation.n_frames:,} frames of "
            f"{len(evaluation.by_class)} classes at {len(evaluation.snr_labels)} SNR labels. "
            f"Chance is {_percent(1 / len(evaluation.classes))}."
        )
    if cost is not None:
        figures += [
            ("score", f"{cost['score']:.6f}", "VGG10 baseline is 1; lower is better"),
            *_strict(cost),
            ("bit operations", _short(cost["bops"]), f"{cost['bops']:,.0f} an inference"),
            ("MACs", _short(cost["macs"]), f"{cost['macs']:,.0f} with a non-zero weight"),
            ("weight bits", _short(cost["weight_bits"]), f"{cost['weight_bits']:,.0f}"),
        ]
    else:
        sentence += " Cost not counted yet."
    return page.cards(figures) + page.paragraph(sentence, "muted")


def _strict(cost: Record) -> list[tuple[str, str, str]]:
    strict = cost.get("strict")
    if not isinstance(strict, Mapping) or "score" not in strict:
        return []
    remark = "what the official rule waves through, too"
    return [("strict score", f"{strict['score']:.6f}", remark)]


def _margin(evaluation: Evaluation) -> str:
    """The half width of the 95 % interval, in percentage points."""
    share = evaluation.accuracy
    half = 1.96 * math.sqrt(share * (1 - share) / evaluation.n_frames)
    return f"± {100 * half:.1f} points (95 %)"


def _accuracy(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    snrs = [f"{plots.signed(snr)} dB" for snr in evaluation.snr_labels]
    rows = [
        (name, Bar(_percent(share), share), _high(evaluation, name))
        for name, share in evaluation.by_class.items()
    ]
    pictures = (
        (
            plots.to_svg(
                plots.accuracy_over_snr(evaluation),
                "snr",
                f"Accuracy over SNR label, {_percent(evaluation.accuracy)} over all",
                [f"{plots.signed(s)} dB: {share:.1%}" for s, share in evaluation.by_snr.items()],
            ),
            f"Accuracy at each SNR label, all classes. {evaluation.data}.{_ceiling(evaluation)}",
        ),
        (
            plots.to_svg(
                plots.accuracy_by_class(evaluation),
                "class",
                "Map of the accuracy of each class at each SNR label; the table below has figures",
                plots.told(plots.class_shares(evaluation), evaluation.classes, snrs, "at"),
            ),
            "Accuracy of each class at each SNR label: the fuller the colour, the more are right.",
        ),
    )
    return page.section(
        "Accuracy over SNR",
        page.figures((*pictures, *_calibration(evaluation))),
        page.folded(
            "Figures by class",
            page.table(("class", "all SNRs", f"from +{HIGH_SNR} dB up"), rows),
        ),
    )


def _ceiling(evaluation: Evaluation) -> str:
    share = share_of_possible(evaluation)
    if share is None:
        return ""
    return f" The dashed line is the ceiling; {_percent(share)} of what is possible was reached."


def _high(evaluation: Evaluation, name: str) -> Bar:
    share = evaluation.by_class_from(HIGH_SNR).get(name)
    return Bar("", 0.0) if share is None else Bar(_percent(share), share)


def _calibration(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    if evaluation.calibration is not None:
        error = evaluation.calibration.expected_error
        bins = evaluation.calibration
        values = [
            f"{confidence:.1%} promised, {right:.1%} right, {n:,} frames"
            for n, confidence, right in zip(bins.n_frames, bins.confidence, bins.accuracy,
                                            strict=True)
            if n
        ]  # fmt: skip
        sentence = (
            f"Its probabilities are off by {_percent(error)} on average "
            "(expected calibration error)."
        )
        svg = plots.to_svg(
            plots.reliability(bins), "reliability", "Share that is right over probability", values
        )
        yield svg, sentence


def _confusion(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    pictures = [
        (
            plots.to_svg(
                plots.confusion(evaluation, snr),
                f"confusion{i}",
                f"Map of what is taken for what at {plots.signed(snr)} dB: "
                f"{evaluation.by_snr[snr]:.1%} right",
                plots.told(
                    plots.confusion_shares(evaluation, snr),
                    evaluation.classes,
                    evaluation.classes,
                    "taken for",
                ),
            ),
            f"At {plots.signed(snr)} dB. Rows: the true class; columns: the answer. Numbers are "
            "percent of the true class, from 10 on.",
        )
        for i, snr in enumerate(plots.pictured_snrs(evaluation))
    ]
    return page.section("What is taken for what", page.figures(pictures))


def _training(epochs: list[Record], phases: list[Record]) -> str:
    if not epochs and not phases:
        return page.section("Training", page.paragraph("Not begun yet.", "muted"))
    parts = []
    if epochs:
        svg = plots.to_svg(
            plots.training_curve(epochs), "training", "Accuracy and loss over the epochs"
        )
        caption = (
            "Accuracy and loss over the epochs of all phases. Validation frames have every SNR "
            "label; training frames may start higher."
        )
        parts.append(page.figures([(svg, caption)], "wide"))
    if phases:
        head = (
            "phase", "kind", "epochs", "validation accuracy", "zero weights", "bit operations",
            "weight bits", "score", "time",
        )  # fmt: skip
        parts.append(page.table(head, [_phase(phase, epochs) for phase in phases]))
        scale = phases[-1].get("scale", 1)
        if scale != 1:
            parts.append(
                page.paragraph(
                    f"Shortened: an epoch saw {scale:g} of the recipe's frames.", "muted"
                )
            )
    return page.section("Training", *parts)


def _phase(phase: Record, epochs: list[Record]) -> tuple[str, ...]:
    mine = [e for e in epochs if e.get("phase") == phase.get("phase")]
    return (
        str(phase.get("phase", "")),
        str(phase.get("kind", "")),
        str(len(mine)),
        _or_dash(phase.get("validation_accuracy"), _percent),
        _or_dash(phase.get("sparsity"), _percent),
        _or_dash(phase.get("bops"), "{:,.0f}".format),
        _or_dash(phase.get("weight_bits"), "{:,.0f}".format),
        _or_dash(phase.get("score"), "{:.6f}".format),
        _or_dash(phase.get("seconds"), _duration),
    )


def _cost(cost: Record | None) -> str:
    if cost is None:
        return ""
    head = (
        "layer", "share of the score", "output", "weights", "non-zero", "MACs",
        "input × weight", "bit operations", "weight bits",
    )  # fmt: skip
    rows = [
        (
            str(layer["name"]),
            Bar(_percent(layer["share"]), layer["share"]),
            "×".join(map(str, layer["output_shape"])),
            f"{layer['weights']:,}",
            f"{layer['nonzero_weights']:,}",
            f"{layer['macs']:,}",
            f"{_type(layer['act_datatype'])} × {_type(layer['weight_datatype'])}",
            f"{layer['bops']:,.0f}",
            f"{layer['weight_bits']:,.0f}",
        )
        for layer in cost["layers"]
    ]
    foot = (
        "together", "", "",
        f"{sum(layer['weights'] for layer in cost['layers']):,}",
        f"{sum(layer['nonzero_weights'] for layer in cost['layers']):,}",
        f"{cost['macs']:,}", "", f"{cost['bops']:,.0f}", f"{cost['weight_bits']:,.0f}",
    )  # fmt: skip
    return page.section(
        "Cost by layer",
        page.paragraph(
            f"Score {cost['score']:.6f} by the rules of the Lightning-Fast Modulation "
            "Classification challenge: half for bit operations, half for weight bits, each over "
            "the VGG10 baseline's."
        ),
        page.table(head, rows, foot),
        *(
            page.paragraph(f"{finding['name']}: {finding['message']}")
            for finding in cost.get("findings", ())
        ),
    )


def _verification(found: Record | None) -> str:
    if found is None:
        return ""
    rows = [
        ("frames that both classified", f"{found['frames']:,}"),
        ("of these given the same class", f"{found['same_class']:,}"),
        ("of these with the same scores", f"{found['identical_scores']:,}"),
        ("largest difference of a score", f"{found['largest_difference']:.1e} standard deviations"),
    ]
    return page.section(
        "The exported model against the network",
        page.paragraph(
            "What is exported is run beside the network that was trained, on validation frames; "
            "where they disagree by more than values on the edge between two quantisation steps "
            "explain, nothing is exported."
        ),
        page.table((), rows, kind="words"),
    )


def _type(datatype: object) -> str:
    """A QONNX datatype as people say it: SCALEDINT<6> is an INT6 with a scale."""
    return re.sub(r"^SCALED(\w+)<(\d+)>$", r"\1\2", str(datatype))


def _published(run: RunFolder, evaluation: Evaluation) -> str:
    if not set(CLASSES) <= set(evaluation.classes):
        return ""  # other classes: nothing to be compared with
    results = (*PUBLISHED, own_result(run.path))
    caption = (
        "Accuracy over score; this run is orange. Published accuracies are on the real test "
        "split, this run's is on what stands beside its name."
    )
    svg = plots.to_svg(
        accuracy_over_score(results), "published", "Accuracy over score of published systems"
    )
    return page.section("Among the published results", page.figures([(svg, caption)], "wide"))


def _recipe(run: RunFolder, environment: Record) -> str:
    version = f" {environment['boltmod']}" if "boltmod" in environment else ""
    needed = (
        f"With boltmod{version} and its extra train installed (pip install '.[train]' in its "
        "source), and the recipe below saved as recipe.toml:"
    )
    facts = [(str(name), str(value)) for name, value in environment.items()]
    return "".join(
        (
            page.section(
                "How to make it again",
                page.paragraph(needed),
                page.listing("boltmod run recipe.toml --out again"),
            ),
            page.section("Recipe", page.listing(_text(run.recipe))),
            page.section("Environment", page.table((), facts, kind="words")) if facts else "",
        )
    )


def _records(path: Path) -> Iterator[Record]:
    """The lines of metrics.jsonl; a last line that an interruption cut off is left out."""
    if not path.exists():
        return
    lines = _text(path).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("it is no object")
            yield record
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise DataFormatError(
                    f"{path} must hold one JSON object a line, not what line {number} holds; "
                    "remove that line"
                ) from error


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataFormatError(
            f"{path} must be JSON, and is not ({said(error)}); remove it and run again"
        ) from error
    if not isinstance(document, dict):
        raise DataFormatError(f"{path} must be a JSON object, and is none; remove it and run again")
    return document


def _text(path: Path) -> str:
    return read_bytes(path, MOST_TEXT_BYTES, "a text").decode("utf-8")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _or_dash(value: Any, form: Any) -> str:
    return "–" if value is None else str(form(value))


def _short(count: float) -> str:
    """A count in three figures: 19.2 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.3g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
