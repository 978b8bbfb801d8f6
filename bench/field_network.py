"""What the network that comes with the package reaches: clean frames, field frames, recordings.

    python bench/field_network.py --frames-per-cell 64 --recordings FOLDER

Prints accuracy from label +10 dB up on the twin and on field frames, how the classes fare, the
expected calibration error on held-out field frames before and after the temperature, and for each
recording of FOLDER (known by the names in `TRUTH`) how many of its windows are labelled rightly.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.evaluation.frames import EVALUATION_SEED, from_snr, twin_frames
from boltmod.evaluation.metrics import Batch, Evaluation, LogitsFn, evaluate
from boltmod.model import shipped
from boltmod.modulation import FIELD_CLASSES
from boltmod.runtime.session import Classifier
from boltmod.signal.profile import FIELD, TWIN

BPSK, OOK, FSK = ("BPSK",), ("OOK",), ("2FSK",)
TRUTH = {
    "by02.wav": BPSK, "entrysat.wav": BPSK, "gr01.wav": BPSK, "itasat1.wav": BPSK,
    "kr01.wav": BPSK, "mysat1.wav": BPSK, "shaonian_xing.wav": BPSK, "zhou_enlai.wav": BPSK,
    "ask.complex": OOK, "enocean.complex": OOK, "pwm.complex16s": OOK,
    "upm_433.92M_250k.cu8": OOK, "radiohead3_433.92M_250k.cu8": OOK,
    "alectov1_433.92M_250k.cu8": OOK, "x10_433.92M_250k.cu8": OOK,
    "fsk.complex": FSK, "homematic.complex32s": FSK, "radiosonde_dfm_iq_u8.wav": FSK,
    "aero_8400.wav": ("OQPSK",),
}  # fmt: skip
"""What each recording may be called."""

LOWEST_SNR = -6
"""SNR label, in dB, from which on the network was trained."""


def main() -> None:
    arguments = parser().parse_args()
    classifier = Classifier(arguments.model)
    model = classifier.model
    answer = partial(classifier.logits, scale=False)
    temperature = float(model.metadata.provenance["temperature"])
    print(f"{model.name}: {model.proto.ByteSize():,} bytes, temperature {temperature:.3f}")
    cells = arguments.frames_per_cell
    twin = twin_frames(cells, EVALUATION_SEED, TWIN)
    show("twin", measured(answer, from_snr(twin, 10).batches))
    field = twin_frames(cells, EVALUATION_SEED, FIELD, unknown=True)
    after = measured(answer, from_snr(field, LOWEST_SNR).batches)
    show("field", after)
    field = twin_frames(cells, EVALUATION_SEED, FIELD, unknown=True)

    def uncalibrated(iq_planes: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return answer(iq_planes) * temperature

    before = measured(uncalibrated, from_snr(field, LOWEST_SNR).batches)
    for name, found in (("before", before), ("after", after)):
        assert found.calibration is not None
        print(f"expected calibration error {name}: {found.calibration.expected_error:.4f}")
    assert after.calibration is not None
    rows = zip(
        after.calibration.n_frames, after.calibration.confidence, after.calibration.accuracy,
        strict=True,
    )  # fmt: skip
    for n_frames, confidence, accuracy in rows:
        if n_frames:
            print(f"  said {confidence:.3f}, right {accuracy:.3f}, {n_frames} frames")
    if arguments.recordings is not None:
        for line in recordings(arguments.recordings, arguments.model):
            print(line)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("--frames-per-cell", type=int, default=64)
    result.add_argument("--recordings", type=Path)
    result.add_argument("--model", type=Path, default=shipped.path_of("field"))
    return result


def measured(logits: LogitsFn, batches: Iterator[Batch]) -> Evaluation:
    return evaluate(logits, batches, data="", classes=FIELD_CLASSES)


def show(name: str, found: Evaluation) -> None:
    whole, high = (found.confusion_from(snr)[:24] for snr in (-20, 10))
    n_right, n = np.trace(whole), whole.sum()
    n_high, n_right_high, n_beside = high.sum(), np.trace(high), high[:, 24:].sum()
    print(f"{name}: {n_right / n:.4f} of the 24 classes' {n:,} frames are right")
    print(
        f"  from +10 dB {n_right_high / n_high:.4f}, {n_beside / n_high:.4f} called what is beside"
    )
    print(
        "  by class from +10 dB: "
        + ", ".join(f"{k} {v:.2f}" for k, v in found.by_class_from(10).items())
    )
    print("  by SNR label: " + ", ".join(f"{k:+d} {v:.2f}" for k, v in found.by_snr.items()))


def recordings(folder: Path, model: Path) -> Iterator[str]:
    """One line a signal that `boltmod classify FILE --channel auto --model MODEL` finds."""
    for path in sorted(folder.iterdir()):
        if path.name not in TRUTH:
            continue
        asked = ["classify", str(path), "--channel", "auto", "--json", "--model", str(model)]
        found = CliRunner().invoke(app, asked)
        if found.exit_code:
            yield f"{path.name}: {found.stderr.strip() or found.exception}"
            continue
        for signal in json.loads(found.stdout)["signals"]:
            seen = Counter(signal["n_windows_by_class"])
            right = sum(seen[name] for name in TRUTH[path.name])
            number, summary = signal["signal"]["number"], signal["class_name"]
            yield (
                f"{path.name} {number}: {right} of {seen.total()} windows right "
                f"{dict(seen.most_common(4))}, summary {summary}"
            )


if __name__ == "__main__":
    main()
