"""The frames that a recipe asks for, opened."""

from __future__ import annotations

from boltmod.data.radioml import RadioMLFile
from boltmod.data.section import DataSection
from boltmod.data.source.file import FileSource
from boltmod.data.source.frames import FrameSource, Sampling
from boltmod.data.source.kept import KeptSource, Memory
from boltmod.data.source.mixed import MixedSource, Part
from boltmod.data.source.twin import TwinSource
from boltmod.errors import ConfigError
from boltmod.signal.profile import profile_from


def open_source(data: DataSection, sampling: Sampling, memory: Memory | None = None) -> FrameSource:
    """Return the frames a recipe asks for, kept in `memory` if there is one.

    Raises:
        ConfigError: The profile does not exist, the file has too few frames, or the processes
            cannot share a batch evenly.
        DataFormatError: The file is not in RadioML's layout.
    """
    n_ranks = sampling.share.n_ranks
    if sampling.batch_size % n_ranks:
        raise ConfigError(
            f"batch_size must be a multiple of the {n_ranks} processes, not {sampling.batch_size}; "
            "choose another batch_size or another --processes"
        )
    source = _open(data, sampling)
    if memory is None:
        return source
    return KeptSource(source, memory, (sampling.batch_size, sampling.minimum_snr))


def _open(data: DataSection, sampling: Sampling) -> FrameSource:
    if data.path is not None:
        return FileSource(RadioMLFile(data.path), data, sampling)
    epoch_frames = max(1, round(data.frames_per_epoch * data.scale))
    if not data.mix:
        profile = profile_from(data.profile, data.parameters)
        return TwinSource(sampling, epoch_frames, data.validation_frames, profile, data.layout)
    parts = tuple(
        Part(
            profile_from(part.profile, part.parameters),
            part.share,
            sampling.minimum_snr if part.minimum_snr is None else part.minimum_snr,
            part.unknown,
        )
        for part in data.mix
    )
    return MixedSource(sampling, epoch_frames, data.validation_frames, parts)
