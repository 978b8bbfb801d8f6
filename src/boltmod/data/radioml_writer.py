"""RadioML 2018.01A's HDF5 layout, written: whole or piece by piece, plain or compressed."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from boltmod.data.layout import CLASSES_ATTRIBUTE, RADIOML, Layout
from boltmod.data.radioml import LABEL_ROWS_AT_ONCE, Indices, RadioMLFile
from boltmod.errors import DataFormatError, ShapeError, first_line
from boltmod.files import check_room, reserve

_OTHER_BYTES = 1 << 16
_MOST_TEXT_BYTES = 1 << 15
"""Of an attribute of fixed length: a header of HDF5's holds 64 KiB."""
_CHUNK_FRAMES = 16
_CHUNKS_AT_ONCE = 256
_GZIP_LEVEL = 1


class RadioMLWriter:
    """Writes a data set piece by piece; the file appears under its name only when complete.

    Labels are known from the start, samples come in pieces of any size in any order.

    Args:
        path: Where the file is to lie.
        class_ids: Integer labels, shape (n,), numbers of the layout's classes.
        snr_labels: SNR labels in dB, shape (n,), on the grid.
        layout: Which classes there are, and how long a frame is.
        attributes: Provenance, kept as attributes of the HDF5 file.
        compress: Write X in gzip chunks: smaller by a tenth or so, and slower to read.

    Examples:
        >>> with RadioMLWriter(path, class_ids, snr_labels) as writer:  # doctest: +SKIP
        ...     writer.write(0, iq_planes)
    """

    def __init__(
        self,
        path: Path | str,
        class_ids: npt.ArrayLike,
        snr_labels: npt.ArrayLike,
        *,
        layout: Layout = RADIOML,
        attributes: Mapping[str, Any] | None = None,
        compress: bool = False,
    ) -> None:
        self.path, self._frame = Path(path), (2, layout.frame_length)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            create_layout(
                self._temporary, class_ids, snr_labels,
                layout=layout, attributes=attributes, compress=compress, called=self.path,
            )  # fmt: skip
            reserve(self._temporary)
            self._file = h5py.File(self._temporary, "r+")
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise
        self._written = np.zeros(len(self._file["X"]), bool)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with _full_disk_named(self.path):
                self._file.close()
            if kind is None:
                self._check_complete()
                os.replace(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, start: int, iq_planes: npt.NDArray[np.float32]) -> None:
        """Put frames at their place.

        Args:
            start: Index of the first one.
            iq_planes: Shape (k, 2, frame length), float32.

        Raises:
            ShapeError: Another shape, or frames past the end.
        """
        if iq_planes.ndim != 3 or iq_planes.shape[1:] != self._frame:
            raise ShapeError(f"iq_planes must be (k, 2, {self._frame[1]}), not {iq_planes.shape}")
        end = start + len(iq_planes)
        if start < 0 or end > len(self._written):
            raise ShapeError(
                f"frames must be 0 to {len(self._written) - 1}, not {start} to {end - 1}; "
                "give the writer as many labels as frames"
            )
        with _full_disk_named(self.path):
            self._file["X"][start:end] = iq_planes.transpose(0, 2, 1)
        self._written[start:end] = True

    def _check_complete(self) -> None:
        if not self._written.all():
            missing = int(np.argmin(self._written))
            raise DataFormatError(
                f"{self.path} must have every frame written, not stop short of frame {missing}; "
                "write all frames before closing"
            )


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    """h5py says RuntimeError of much that the system would not let HDF5 do."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"{path}: {first_line(error)}") from None


def create_layout(
    path: Path,
    class_ids: npt.ArrayLike,
    snr_labels: npt.ArrayLike,
    *,
    layout: Layout = RADIOML,
    attributes: Mapping[str, Any] | None = None,
    compress: bool = False,
    called: Path | None = None,
) -> None:
    """A file with labels and provenance written and room for the samples.

    Args:
        path: The file, made anew.
        class_ids: Shape (n,), numbers of the layout's classes.
        snr_labels: Shape (n,), on the grid.
        layout: Which classes there are, and how long a frame is.
        attributes: Attributes of the HDF5 file.
        compress: X in gzip chunks instead of contiguous.
        called: What messages call the file, if it gets another name at last.

    Raises:
        ShapeError: The labels are not flat lists of one length.
        DataFormatError: A label is outside its range.
    """
    classes, snrs = _valid_labels(class_ids, snr_labels, layout)
    n_classes = len(layout.classes)
    frame_and_label_bytes = layout.frame_length * 2 * 4 + 8 * (n_classes + 1)
    own = {} if layout == RADIOML else {CLASSES_ATTRIBUTE: json.dumps(layout.classes)}
    # HDF5's library may end the process where the disk is full: it is not let near that.
    check_room(called or path, len(classes) * frame_and_label_bytes + _OTHER_BYTES)
    with _full_disk_named(path), h5py.File(path, "w") as file:
        for name, value in sorted({**(attributes or {}), **own}.items()):
            file.attrs.create(name, value, dtype=_attribute_type(value))
        _create_samples(file, (len(classes), layout.frame_length, 2), compress)
        labels = file.create_dataset("Y", (len(classes), n_classes), np.int64)
        for start in range(0, len(classes), LABEL_ROWS_AT_ONCE):
            rows = classes[start : start + LABEL_ROWS_AT_ONCE]
            labels[start : start + len(rows)] = np.eye(n_classes, dtype=np.int64)[rows]
        file.create_dataset("Z", data=snrs[:, None])


def _attribute_type(value: Any) -> np.dtype[Any] | None:
    """Texts have their own length, so that they lie beside their names and not in the heap."""
    n_bytes = len(value.encode()) if isinstance(value, str) else 0
    if not 0 < n_bytes < _MOST_TEXT_BYTES:
        return None
    fixed: np.dtype[Any] = h5py.string_dtype("utf-8", n_bytes)
    return fixed


def _create_samples(file: h5py.File, shape: tuple[int, int, int], compress: bool) -> None:
    if compress:
        chunks = (min(_CHUNK_FRAMES, shape[0]), *shape[1:])
        file.create_dataset(
            "X", shape, np.float32, chunks=chunks, compression="gzip", shuffle=True,
            compression_opts=_GZIP_LEVEL,
        )  # fmt: skip
        return
    # Room is set aside now, but not filled with zeros: the place of X is then known, and the file
    # can be filled by several processes at once.
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, b"X", h5py.h5t.IEEE_F32LE, space, properties)


def _valid_labels(
    class_ids: npt.ArrayLike, snr_labels: npt.ArrayLike, layout: Layout
) -> tuple[Indices, Indices]:
    classes, snrs = np.asarray(class_ids, np.int64), np.asarray(snr_labels, np.int64)
    if classes.ndim != 1 or classes.shape != snrs.shape:
        raise ShapeError(
            "class_ids and snr_labels must be flat and of one length, "
            f"not {classes.shape} and {snrs.shape}"
        )
    if not len(classes):
        raise ShapeError("class_ids must name at least one frame, not 0")
    for name, values, allowed in (
        ("class_ids", classes, range(len(layout.classes))),
        ("snr_labels", snrs, layout.snr_labels),
    ):
        known = np.isin(values, allowed)
        if not known.all():
            bad = int(np.argmin(known))
            raise DataFormatError(
                f"{name} must be {allowed[0]} to {allowed[-1]}"
                f"{f' in steps of {allowed[1] - allowed[0]} dB' if name == 'snr_labels' else ''}, "
                f"not {values[bad]} at frame {bad}"
            )
    return classes, snrs


def repack(source: Path, target: Path) -> None:
    """Copy a data set with X in gzip chunks; all processors deflate.

    Args:
        source: A file in RadioML's layout.
        target: The copy, made anew.
    """
    with RadioMLFile(source) as file:
        create_layout(
            target, file.class_ids, file.snr_labels,
            layout=file.layout, attributes=file.attributes, compress=True,
        )  # fmt: skip
        with h5py.File(target, "r+") as packed, ThreadPoolExecutor(os.cpu_count()) as pool:
            samples, n_chunk = packed["X"], packed["X"].chunks[0]
            for start, frames in file.slices(n_chunk * _CHUNKS_AT_ONCE):
                chunks = [frames[i : i + n_chunk] for i in range(0, len(frames), n_chunk)]
                deflated = pool.map(_deflate, chunks, [n_chunk] * len(chunks))
                for i, chunk in enumerate(deflated):
                    samples.id.write_direct_chunk((start + i * n_chunk, 0, 0), chunk)


def _deflate(frames: npt.NDArray[np.float32], n_chunk: int) -> bytes:
    """A chunk as HDF5's shuffle and deflate filters leave it: first bytes first, then gzip."""
    chunk = np.zeros((n_chunk, *frames.shape[1:]), "<f4")
    chunk[: len(frames)] = frames
    by_place = chunk.reshape(-1).view(np.uint8).reshape(-1, 4).T
    return zlib.compress(by_place.tobytes(), _GZIP_LEVEL)
