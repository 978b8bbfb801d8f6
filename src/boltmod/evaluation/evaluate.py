"""A model asked about labelled frames, from its name to its figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from boltmod import extras
from boltmod.data.class_order import EXPLANATION, columns, is_misleading
from boltmod.data.layout import Layout
from boltmod.evaluation import metrics
from boltmod.evaluation.doubts import Doubts
from boltmod.evaluation.frames import (
    Arrays,
    Choice,
    Frames,
    SplitName,
    array_frames,
    counted_classes,
    open_frames,
    trained_on_another,
)
from boltmod.evaluation.metrics import Evaluation
from boltmod.model.metadata import InputScaling
from boltmod.model.onnx_file import Model
from boltmod.modulation import UNKNOWN
from boltmod.runtime.session import Classifier

if TYPE_CHECKING:
    from boltmod.evaluation.likelihood.receiver import LikelihoodReceiver

Tell = Callable[[str], None]
Progress = Callable[[int, int], None]
"""Takes how many frames of how many are done."""

_log = logging.getLogger("boltmod")


def evaluate(  # noqa: PLR0913 (which frames, by keyword)
    model: Classifier | Model | Path | str,
    data: Path | str | Arrays = "twin",
    *,
    split: SplitName = "test",
    frames_per_cell: int | None = None,
    seed: int | None = None,
    minimum_snr: int = -20,
    scale: bool = True,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure how often a model is right: overall, by SNR and class, and what is taken for what.

    Args:
        model: The classifier, its `.onnx` file, or the name of a network that comes with boltmod;
            `"likelihood"` is a receiver without a network.
        data: A generator's profile (`"twin"`, `"textbook"`, `"field"`; needs `boltmod[train]`), an
            HDF5 file in RadioML's layout, or arrays: (frames, classes) or (frames, classes, SNR
            labels). Frames are complex (n, 1024) or planes (n, 2, 1024), classes are names or
            numbers in the order of `boltmod.CLASSES` (in the model's own, if it knows others), SNR
            labels are in dB and 0 if left out.
        split: Of a file: which part of the challenge's split.
        frames_per_cell: Frames of each (class, SNR) pair; of a profile 16, of a file all, if None.
        seed: Of a profile; one that no data set is made with if None.
        minimum_snr: Of a profile: the lowest SNR label looked at, in dB.
        scale: Of arrays: whether each frame is brought to the level that the network learned at;
            the frames of files and profiles go in as they stand.
        threads: Processors to use; all if None.
        progress: Called with how many frames of how many are done.

    Returns:
        The counts, with accuracy overall, by SNR and by class.

    Raises:
        DataFormatError: The file is not in RadioML's layout, or a label is none of the classes.
        ShapeError: The arrays do not belong together.
        ModelFormatError: The file is no classifier of frames.

    Examples:
        >>> import boltmod
        >>> frames = boltmod.generate(["BPSK", "QPSK", "FM"], 20, seed=1)
        >>> found = boltmod.evaluate("boltnet60", (frames, ["BPSK", "QPSK", "FM"]))
        >>> found.accuracy, found.by_class
        (1.0, {'BPSK': 1.0, 'QPSK': 1.0, 'FM': 1.0})
    """
    with extras.named("boltmod.evaluate"):
        classifier = respondent(model, data if isinstance(data, str) else "", threads)
        name = Path(model).name if isinstance(model, str | Path) else classifier.name
        if not isinstance(data, tuple):
            choice = Choice(split, frames_per_cell, seed, minimum_snr)
            with frames_for(classifier, data, choice) as frames:
                return measured(classifier, frames, name, tell=_log.warning, progress=progress)
    frames = array_frames(data, classifier.classes, classifier.frame_length)
    return measured(classifier, frames, name, tell=_log.warning, progress=progress, scale=scale)


def respondent(
    model: Classifier | Model | Path | str,
    data: str = "",
    threads: int | None = None,
    engine: str = "auto",
) -> Classifier | LikelihoodReceiver:
    """Return what answers: a network, or by its name the receiver without one."""
    if isinstance(model, Classifier):
        return model
    if isinstance(model, Model) or str(model) != "likelihood" or Path(model).is_file():
        return Classifier(model, threads, engine)
    import torch

    from boltmod.evaluation.likelihood.receiver import LikelihoodReceiver
    from boltmod.signal.profile import PROFILES, TWIN

    if threads is not None:
        torch.set_num_threads(threads)
    return LikelihoodReceiver(PROFILES.get(data, TWIN))


def frames_for(
    classifier: Classifier | LikelihoodReceiver, data: Path | str, choice: Choice
) -> AbstractContextManager[Frames]:
    """Open the frames that a classifier is asked about.

    One that answers unknown is also asked about such signals, in the profile field.
    """
    unknown = str(data) == "field" and UNKNOWN in classifier.classes
    asked = Layout(counted_classes(classifier.classes), classifier.frame_length)
    return open_frames(data, choice, unknown=unknown, asked=asked)


def measured(
    classifier: Classifier | LikelihoodReceiver,
    frames: Frames,
    name: str,
    *,
    tell: Tell,
    progress: Progress | None = None,
    scale: bool = False,
) -> Evaluation:
    """Ask about frames and count the answers.

    Args:
        classifier: What answers.
        frames: The frames.
        name: What the answerer is called.
        tell: Takes what its user should know, a sentence each.
        progress: As for `evaluate`.
        scale: As for `evaluate`.
    """
    if is_misleading(classifier.classes):
        tell(f"the model's class names are not believed: {EXPLANATION}")
    other = trained_on_another(classifier.trained_on, frames.profile)
    if other:
        tell(other)
    order = list(range(len(classifier.classes)))
    if counted_classes(classifier.classes) != classifier.classes:
        order = columns(classifier.classes)
    done = 0

    def count(n_frames: int) -> None:
        nonlocal done
        done += n_frames
        if progress is not None:
            progress(done, frames.n_frames)

    scaling = str(InputScaling.NONE)
    if isinstance(classifier, Classifier):
        scaling = classifier.model.metadata.input_scaling
    doubts = Doubts(scaling, scale)
    result = metrics.evaluate(
        lambda iq_planes: classifier.logits(iq_planes, scale=scale)[:, order],
        doubts.watched(frames.batches),
        data=frames.words,
        model=name,
        classes=frames.classes,
        progress=count,
    )
    for sentence in doubts.sentences(result):
        tell(sentence)
    return result
