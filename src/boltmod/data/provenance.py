"""What a made data set holds and how it came to be, as its HDF5 attributes say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from boltmod import __version__
from boltmod.data.radioml import Indices
from boltmod.errors import ConfigError
from boltmod.modulation import N_CLASSES, SNR_LABELS
from boltmod.signal.profile import Profile, parameters


@dataclass(frozen=True)
class Plan:
    """A data set to be made: everything its samples depend on.

    Args:
        frames_per_cell: Frames of each (class, SNR) pair.
        seed: The generator's.
        profile: The generator's.
        snr_labels: SNR labels in dB.
        shard: Which part of the data set this file is, from 1.
        n_shards: In how many parts it is made.
    """

    frames_per_cell: int
    seed: int
    profile: Profile = field(default_factory=Profile)
    snr_labels: tuple[int, ...] = SNR_LABELS
    shard: int = 1
    n_shards: int = 1

    def __post_init__(self) -> None:
        if self.frames_per_cell < 1:
            raise ConfigError(
                f"frames_per_cell must be at least 1, not {self.frames_per_cell}; "
                "the real data set has 4096"
            )
        if not (1 <= self.shard <= self.n_shards):
            raise ConfigError(
                f"shard must be 1/n to n/n, not {self.shard}/{self.n_shards}; "
                "number the parts from 1"
            )
        if self.n_shards > self.n_frames_total:
            raise ConfigError(
                f"shard must be of at most {self.n_frames_total} parts, not {self.n_shards}: "
                "each holds at least one frame"
            )

    @property
    def n_frames_total(self) -> int:
        """Frames of the data set, all parts together."""
        return N_CLASSES * len(self.snr_labels) * self.frames_per_cell

    @property
    def first_frame(self) -> int:
        """Position in the data set of this file's first frame."""
        return self.n_frames_total * (self.shard - 1) // self.n_shards

    @property
    def n_frames(self) -> int:
        """Frames in this file."""
        return self.n_frames_total * self.shard // self.n_shards - self.first_frame

    def labels(self, start: int = 0, end: int | None = None) -> tuple[Indices, Indices]:
        """The labels of some of this file's frames, class-major, then SNR.

        Args:
            start: The first frame, within this file.
            end: The first one no longer wanted; None is all to the last.

        Returns:
            Class labels and SNR labels in dB, each (end - start,) int64.
        """
        frames = self.first_frame + np.arange(start, self.n_frames if end is None else end)
        class_ids, cell = np.divmod(frames // self.frames_per_cell, len(self.snr_labels))
        return class_ids, np.array(self.snr_labels, np.int64)[cell]

    def attributes(self) -> dict[str, Any]:
        """The plan as HDF5 attributes; `shard` and `n_shards` only where there are several."""
        attributes: dict[str, Any] = {
            "boltmod_version": __version__,
            "profile": self.profile.name,
            "profile_version": self.profile.version,
            "parameters": json.dumps({name: value for name, value, *_ in parameters(self.profile)}),
            "seed": self.seed,
            "frames_per_cell": self.frames_per_cell,
            "snr_labels": np.array(self.snr_labels, np.int64),
        }
        if self.n_shards > 1:
            attributes |= {"shard": self.shard, "n_shards": self.n_shards}
        return attributes


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """HDF5 attributes as JSON's types, the generator's parameters unpacked."""
    document = {name: _as_json(value) for name, value in attributes.items()}
    if isinstance(document.get("parameters"), str):
        with suppress(ValueError, RecursionError):  # what is no JSON stays the text that it is
            document["parameters"] = json.loads(document["parameters"])
    return document


def title(made: Mapping[str, Any]) -> str:
    """Name and version of the profile of a file whose plain attributes these are."""
    return f"{made.get('profile', 'unknown')} {made.get('profile_version', 1)}"


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two sets of attributes say differently, each as `name one value, other value`."""
    ours, theirs = plain(one), plain(other)
    names = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    return [f"{name} {_short(ours.get(name))}, {_short(theirs.get(name))}" for name in names]


def _as_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic):
        return _as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [_as_json(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) else str(value)


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
