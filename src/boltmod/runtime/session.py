"""A classifier that runs: the integer engine or ONNX Runtime behind two functions.

A network that is quantised throughout runs as an exact integer program (docs/integer.md), several
times as fast. In ONNX Runtime the network's operators are carried out one by one as they stand. It
could merge batch normalisations into convolutions and be a little faster, but then sums round
differently, a few activations fall on the other side of a quantiser's threshold, and the result is
no longer that of the network that was trained, exported and costed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boltmod.errors import ShapeError, UnsupportedOperatorError
from boltmod.model import onnx_file
from boltmod.model.lowering import lower
from boltmod.model.onnx_file import Model
from boltmod.runtime.engines import EngineName, integer_engine
from boltmod.runtime.frames import as_planes, check_finite, check_shape
from boltmod.runtime.framing import scale_planes

if TYPE_CHECKING:
    import onnxruntime

_BATCH_SIZE = 16
"""Frames run at once: activations of a batch stay within the processor's caches."""

_ENGINE_BATCH_SIZE = 64
"""The integer engine works frame by frame: a batch is what one call and one thread take."""

Floats = NDArray[np.float32]


class Classifier:
    """Classes of I/Q frames, by one model.

    Args:
        model: The model, or the path of its `.onnx` file.
        threads: Batches worked on at once; as many as there are processors if None.
        engine: What runs it, one of `EngineName`.

    Raises:
        ModelFormatError: The file is no classifier of frames.
        UnsupportedOperatorError: The model holds what cannot be run, or not by that engine.
        ToolNotFoundError: The integer engine is asked for and there is no compiler for it.

    Examples:
        >>> import boltmod
        >>> classifier = boltmod.Classifier("boltnet60")
        >>> frames = boltmod.generate(["BPSK", "QPSK", "16QAM"], 20, seed=1)
        >>> answers = classifier.probabilities(frames)
        >>> [classifier.classes[each] for each in answers.argmax(axis=1)]
        ['BPSK', 'QPSK', '16QAM']
        >>> samples = 300 * (frames[0, 0] + 1j * frames[0, 1])  # of any level, complex
        >>> classifier.classes[classifier.probabilities(samples).argmax()]
        'BPSK'
    """

    def __init__(
        self, model: Model | Path | str, threads: int | None = None, engine: str = EngineName.AUTO
    ) -> None:
        self.model = onnx_file.as_model(model)
        self._n_threads = threads or os.cpu_count() or 1
        self._integer = integer_engine(self.model, engine)
        if self._integer is None:
            self._session = _session(self.model)
            self._check_batches()

    @property
    def engine(self) -> EngineName:
        """What runs the model."""
        return EngineName.ONNXRUNTIME if self._integer is None else EngineName.INTEGER

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each column of the results."""
        return self.model.classes

    @property
    def frame_length(self) -> int:
        """Complex samples of a frame."""
        return self.model.frame_length

    @property
    def trained_on(self) -> str:
        """What the model says it learned from; empty where it does not."""
        return self.model.metadata.provenance.get("trained_on", "")

    def logits(self, frames: ArrayLike, *, scale: bool = True) -> Floats:
        """What the network says of each frame.

        Args:
            frames: I/Q planes (n, 2, frame length), complex frames (n, frame length), or complex
                samples (n,) that follow each other; any level and type of number.
            scale: Whether each frame is brought to the level that the network learned at, as
                `boltmod classify` does; without it frames go in as they stand, in float32.

        Returns:
            Logits, (n, n_classes) float32; a frame's row does not depend on the other frames.

        Raises:
            ShapeError: The frames have another shape or type.
            DataFormatError: A sample is not finite.
        """
        length = self.frame_length
        iq_planes = as_planes(frames, length) if scale else _as_they_stand(frames, length)
        check_finite(iq_planes)
        if scale:
            iq_planes = scale_planes(iq_planes, self.model.metadata.input_scaling)
        if not len(iq_planes):
            return np.empty((0, len(self.classes)), np.float32)
        size = _BATCH_SIZE if self._integer is None else _ENGINE_BATCH_SIZE
        batches = list(_batches(iq_planes, size))
        if self._n_threads == 1 or len(batches) == 1:
            return np.concatenate([self._run(batch) for batch in batches])
        with ThreadPoolExecutor(self._n_threads) as pool:
            return np.concatenate(list(pool.map(self._run, batches)))

    def probabilities(self, frames: ArrayLike, *, scale: bool = True) -> Floats:
        """Probability of each class for each frame: the softmax of `logits`.

        Args:
            frames: As for `logits`.
            scale: As for `logits`.

        Returns:
            Probabilities, (n, n_classes) float32; each row sums to one.
        """
        logits = self.logits(frames, scale=scale).astype(np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)

    def _run(self, batch: Floats) -> Floats:
        if self._integer is not None:
            scale = self._integer.prepared.scale
            return np.asarray(self._integer.scores(batch) * scale, np.float32)
        outputs: list[Any] = self._session.run(None, {self.model.input_name: batch})
        return np.asarray(outputs[0], np.float32)

    def _check_batches(self) -> None:
        """Refuse networks that mix the frames of a batch, or take one frame only."""
        rng = np.random.default_rng(0)
        pair = rng.standard_normal((2, 2, self.frame_length)).astype(np.float32)
        try:
            together = self._run(pair)
            alone = np.concatenate([self._run(pair[:1]), self._run(pair[1:])])
        except _failures() as error:
            raise UnsupportedOperatorError(_refusal(self.model, error)) from None
        if together.shape != (2, len(self.classes)) or not np.allclose(together, alone, 1e-3, 1e-3):
            raise UnsupportedOperatorError(_refusal(self.model, "frames influence each other"))


def rehearse(path: str, engine: str = EngineName.AUTO) -> None:
    """Read a model and ask it about one frame, as `boltmod.confined` does with a stranger's.

    Args:
        path: The `.onnx` file.
        engine: What runs it.

    Raises:
        BoltmodError: As `Classifier`.
    """
    classifier = Classifier(path, 1, engine)
    shape = (1, 2, classifier.frame_length)
    classifier.logits(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a model that it cannot run."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.NotImplemented,
        state.RuntimeException,
    )


def _session(model: Model) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    lowered = lower(model).SerializeToString()
    try:
        return onnxruntime.InferenceSession(lowered, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise UnsupportedOperatorError(_refusal(model, error)) from None


def _refusal(model: Model, reason: object) -> str:
    first_line = str(reason).strip().splitlines()[0]
    return (
        f"{model.path or model.name} must run on batches of frames, which it does not "
        f"({first_line}): export it with standard operators that keep the batch dimension first"
    )


def _as_they_stand(frames: ArrayLike, length: int) -> Floats:
    iq_planes = np.asarray(frames)
    if iq_planes.dtype.kind == "c":
        return as_planes(iq_planes, length)
    check_shape(iq_planes, length)
    if iq_planes.dtype != np.float32:
        raise ShapeError(
            f"iq_planes must be float32, not {iq_planes.dtype}: convert with .astype(np.float32)"
        )
    return iq_planes


def _batches(iq_planes: Floats, size: int) -> Iterator[Floats]:
    for start in range(0, len(iq_planes), size):
        yield np.ascontiguousarray(iq_planes[start : start + size])
