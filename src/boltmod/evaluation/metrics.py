"""How often a model is right: overall, per SNR, per class, and what it takes for what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from boltmod.errors import DataFormatError, ShapeError, ToolNotFoundError
from boltmod.modulation import CLASSES

Counts = npt.NDArray[np.int64]
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]
LogitsFn = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating[Any]]]

N_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """How far a model's probabilities can be believed, in bins of equal width over 0 to 1.

    Args:
        n_frames: Frames whose highest probability fell in the bin, shape (n_bins,).
        confidence: Their mean highest probability, 0 where the bin is empty.
        accuracy: The share of them that were right, 0 where the bin is empty.
    """

    n_frames: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def expected_error(self) -> float:
        """Expected calibration error, 0 to 1: mean distance of confidence from accuracy.

        Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
        """
        distance = np.abs(np.subtract(self.confidence, self.accuracy))
        return float(np.average(distance, weights=self.n_frames))


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on labelled frames, counted.

    Args:
        confusion: Counts, shape (n_snr, n_classes, n_classes), int64: [SNR, true class,
            predicted class].
        snr_labels: The SNR labels of the first axis, in dB, ascending.
        model: Which model answered.
        data: Which frames were asked, as printed beside every accuracy.
        classes: The class names of the other two axes.
        calibration: How far the probabilities can be believed, where it was measured.

    Examples:
        >>> import boltmod
        >>> frames = boltmod.generate(["BPSK", "QPSK"], [20, 20], seed=1)
        >>> found = boltmod.evaluate("boltnet60", (frames, ["BPSK", "QPSK"], [20, 20]))
        >>> found.by_snr, found.confusion_from(10)[3, 3]
        ({20: 1.0}, np.int64(1))
    """

    confusion: Counts
    snr_labels: tuple[int, ...]
    model: str
    data: str
    classes: tuple[str, ...] = CLASSES
    calibration: Calibration | None = None

    @property
    def n_frames(self) -> int:
        """How many frames were asked."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of frames answered rightly, 0 to 1."""
        return _share(self.confusion.sum(0).trace(), self.confusion.sum())

    @property
    def by_snr(self) -> dict[int, float]:
        """Accuracy at each SNR label."""
        counts = zip(self.snr_labels, self.confusion, strict=True)
        return {snr: _share(cell.trace(), cell.sum()) for snr, cell in counts}

    @property
    def by_class(self) -> dict[str, float]:
        """Accuracy of each class over all SNRs; classes without frames are left out."""
        return self._class_accuracy(self.confusion.sum(0))

    def by_class_from(self, snr_label: int) -> dict[str, float]:
        """Accuracy of each class over the SNR labels from `snr_label` (in dB) up."""
        return self._class_accuracy(self.confusion_from(snr_label))

    def accuracy_from(self, snr_label: int) -> float:
        """Accuracy over the SNR labels from `snr_label` (in dB) up; NaN where there are none."""
        counts = self.confusion_from(snr_label)
        return _share(counts.trace(), counts.sum()) if counts.any() else float("nan")

    def confusion_from(self, snr_label: int) -> Counts:
        """Counts [true, predicted], n_classes square, over the SNR labels from `snr_label` up."""
        chosen = np.array(self.snr_labels) >= snr_label
        return np.asarray(self.confusion[chosen].sum(0), np.int64)

    def _class_accuracy(self, counts: Counts) -> dict[str, float]:
        rows = zip(self.classes, counts.diagonal(), counts.sum(1), strict=True)
        return {name: _share(right, total) for name, right, total in rows if total}

    def to_dataframe(self) -> Any:
        """The counts as a `pandas.DataFrame`, a row for each SNR, true and predicted class.

        Columns: `snr_label` (dB), `true_class`, `predicted_class`, `n_frames`; classes that were
        never asked about are left out.

        Raises:
            ToolNotFoundError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise ToolNotFoundError(
                "pandas must be installed for a data frame, and is not: pip install pandas"
            ) from None
        rows = [
            (snr, true, predicted, int(self.confusion[i, j, k]))
            for i, snr in enumerate(self.snr_labels)
            for j, true in enumerate(self.classes)
            if self.confusion[i, j].any()
            for k, predicted in enumerate(self.classes)
        ]
        names = ["snr_label", "true_class", "predicted_class", "n_frames"]
        return pandas.DataFrame(rows, columns=names)

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as JSON keeps it: counts and, for the reader, the shares."""
        document: dict[str, Any] = {
            "model": self.model,
            "data": self.data,
            "n_frames": self.n_frames,
            "accuracy": self.accuracy,
            "by_snr": {str(snr): share for snr, share in self.by_snr.items()},
            "by_class": self.by_class,
            "classes": list(self.classes),
            "snr_labels": list(self.snr_labels),
            "confusion": self.confusion.tolist(),
        }
        if self.calibration is not None:
            document["calibration"] = {
                "n_frames": list(self.calibration.n_frames),
                "confidence": list(self.calibration.confidence),
                "accuracy": list(self.calibration.accuracy),
                "expected_error": self.calibration.expected_error,
            }
        return document

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The evaluation that `as_dict` wrote; the shares are counted anew.

        Raises:
            DataFormatError: A key is missing, or the counts have another shape.
        """
        try:
            snr_labels = tuple(int(snr) for snr in document["snr_labels"])
            classes = tuple(str(name) for name in document["classes"])
            confusion = np.array(document["confusion"], np.int64)
            model, data = str(document["model"]), str(document["data"])
            calibration = _calibration(document.get("calibration"))
        except (
            KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError,
        ) as error:  # fmt: skip
            raise DataFormatError(
                f"an evaluation must hold model, data, classes, snr_labels and confusion: {error!r}"
                "; write it again with `boltmod evaluate --json`"
            ) from error
        shape = (len(snr_labels), len(classes), len(classes))
        if confusion.shape != shape:
            raise DataFormatError(
                f"confusion must be {shape}, not {confusion.shape}; "
                "write the evaluation again with `boltmod evaluate --json`"
            )
        if not confusion.size or confusion.min() < 0 or not 0 < confusion.sum(dtype=float) < 2**53:
            raise DataFormatError(
                "confusion must hold counts of frames, at least one and none below 0; "
                "write the evaluation again with `boltmod evaluate --json`"
            )
        return cls(confusion, snr_labels, model, data, classes, calibration)


def evaluate(
    logits_fn: LogitsFn,
    batches: Iterable[Batch],
    *,
    data: str,
    model: str = "",
    classes: tuple[str, ...] = CLASSES,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Ask a model about labelled frames and count its answers.

    Args:
        logits_fn: Maps I/Q planes (k, 2, 1024) float32 to logits (k, n_classes).
        batches: I/Q planes, class labels (k,) and SNR labels (k,).
        data: Which frames these are, in words.
        model: Which model this is, in words.
        classes: Name of each logit and of each class label.
        progress: Called after each batch with the number of frames in it.

    Returns:
        The counts; SNR labels without frames do not appear.

    Raises:
        ShapeError: `logits_fn` returned another shape.
        DataFormatError: There were no frames.
    """
    confusion: dict[int, Counts] = {}
    bins, n_classes = np.zeros((3, N_CALIBRATION_BINS)), len(classes)
    for iq_planes, class_ids, snr_labels in batches:
        logits = np.asarray(logits_fn(iq_planes))
        if logits.shape != (len(iq_planes), n_classes):
            raise ShapeError(
                f"logits must be ({len(iq_planes)}, {n_classes}), not {logits.shape}; "
                f"use a model of the {n_classes} classes"
            )
        predicted = logits.argmax(axis=1)
        for snr in np.unique(snr_labels):
            counts = confusion.setdefault(int(snr), np.zeros((n_classes, n_classes), np.int64))
            here = snr_labels == snr
            np.add.at(counts, (class_ids[here], predicted[here]), 1)
        bins += _calibration_sums(logits, predicted == class_ids)
        if progress is not None:
            progress(len(iq_planes))
    if not confusion:
        raise DataFormatError("an evaluation must have at least one frame, not 0; choose more data")
    snrs = tuple(sorted(confusion))
    counts = np.stack([confusion[snr] for snr in snrs])
    return Evaluation(counts, snrs, model, data, classes, _from_sums(bins))


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def _calibration_sums(
    logits: npt.NDArray[np.floating[Any]], is_right: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Per bin: frames, sum of highest probabilities, sum of right answers; shape (3, n_bins)."""
    values = logits.astype(np.float64)
    confidence = 1.0 / np.exp(values - values.max(1, keepdims=True)).sum(1)
    bins = np.minimum((confidence * N_CALIBRATION_BINS).astype(int), N_CALIBRATION_BINS - 1)
    weights = (np.ones_like(confidence), confidence, is_right.astype(np.float64))
    return np.stack([np.bincount(bins, w, N_CALIBRATION_BINS) for w in weights])


def _from_sums(sums: npt.NDArray[np.float64]) -> Calibration:
    n_frames, confidence, right = sums
    at_least_one = np.maximum(n_frames, 1)
    return Calibration(
        tuple(int(n) for n in n_frames),
        tuple((confidence / at_least_one).tolist()),
        tuple((right / at_least_one).tolist()),
    )


def _calibration(document: Any) -> Calibration | None:
    if document is None:
        return None
    return Calibration(
        tuple(int(n) for n in document["n_frames"]),
        tuple(float(share) for share in document["confidence"]),
        tuple(float(share) for share in document["accuracy"]),
    )
