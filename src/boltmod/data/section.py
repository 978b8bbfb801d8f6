"""What a recipe may say of its frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from boltmod.data.layout import RADIOML, Layout
from boltmod.modulation import CLASSES, FRAME_LENGTH
from boltmod.toml_table import Section

_SMALLEST_SCALED_BATCH = 128


class MixPart(Section):
    """Some of the frames, where several profiles are mixed.

    Attributes:
        profile: The generator's profile.
        parameters: Changes to that profile's parameters, by name.
        share: How many of the frames; only the parts' proportions matter.
        minimum_snr: Lowest SNR label of this part; the data's or the phase's if not given.
        unknown: Share of this part's frames that are none of the 24 classes, but unknown or one of
            those that have a name beside them (`modulation.NAMED_BESIDE`). The network then has an
            output for each.
    """

    profile: str = "twin"
    parameters: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    share: float = Field(1.0, gt=0)
    minimum_snr: int | None = Field(None, ge=-20, le=30)
    unknown: float = Field(0.0, ge=0, lt=1)


class DataSection(Section):
    """Where training, validation and test frames come from.

    Attributes:
        source: `twin` draws every frame from the generator; `hdf5` reads a file in RadioML's
            layout.
        path: That file (`hdf5` only); its official split is used.
        profile: The generator's profile (`twin` only).
        parameters: Changes to that profile's parameters, by name.
        mix: Several profiles in place of one.
        frames_per_epoch: Training frames an epoch sees; 0 means all of a file's training part.
        scale: Share of those frames that an epoch really sees, to shorten a recipe for a small
            machine; `boltmod run --scale` sets it. Batches shrink with it (`scaled_batch_size`).
        keep_epochs: Epochs whose frames stay in memory, 4 KiB a frame, with the teacher's answers;
            later epochs and phases see them again. 0 draws every epoch anew.
        validation_frames: Frames set apart from the *training* part to choose checkpoints by.
        minimum_snr: Lowest SNR label trained on; tests always use all 26.
        classes: Names of the classes that the network tells apart, in the order of its outputs: of
            the generator any of its 24, of a file those that it has. RadioML 2018.01A's 24 if none
            are given.
        frame_length: Complex samples of a frame: of a file as many as its frames have; of the
            generator up to 1024, from the beginning of its frames, scaled again.
    """

    source: Literal["twin", "hdf5"] = "twin"
    path: Path | None = None
    profile: str = "twin"
    parameters: dict[str, Any] = {}  # noqa: RUF012 (pydantic copies it)
    mix: tuple[MixPart, ...] = ()
    frames_per_epoch: int = Field(100_000, ge=0)
    scale: float = Field(1.0, gt=0, le=1)
    keep_epochs: int = Field(0, ge=0)
    validation_frames: int = Field(4992, ge=24)
    minimum_snr: int = Field(-20, ge=-100, le=100)
    classes: tuple[str, ...] = ()
    frame_length: int = Field(FRAME_LENGTH, ge=8)

    @property
    def layout(self) -> Layout:
        """What its frames and labels are."""
        return Layout(self.classes or CLASSES, self.frame_length)

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what says nothing and earlier versions did not have: runs go on."""
        document: dict[str, Any] = write(self)
        for name, usual in (("classes", ()), ("frame_length", FRAME_LENGTH)):
            if getattr(self, name) == usual:
                document.pop(name, None)
        return document

    @model_validator(mode="after")
    def _layout_makes_sense(self) -> DataSection:
        if self.layout == RADIOML:
            return self
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise ValueError("classes must be two or more different names")
        if self.source == "hdf5":
            return self
        if self.mix:
            raise ValueError("mix must stand without classes and frame_length")
        unknown = sorted(set(self.classes) - set(CLASSES))
        if unknown:
            raise ValueError(
                f'classes must be among {", ".join(CLASSES)} with source = "twin", not '
                f"{', '.join(unknown)}"
            )
        if self.frame_length > FRAME_LENGTH:
            raise ValueError(
                f'frame_length must be up to {FRAME_LENGTH} with source = "twin", not '
                f"{self.frame_length}"
            )
        return self

    def scaled_batch_size(self, batch_size: int) -> int:
        """Frames a step at this scale: fewer, so that a short epoch keeps many steps.

        A hundredth of the frames in batches of 1024 would be a hundredth of the steps, too few to
        train at all; batches go down to 128, where batch normalisation still measures well.
        """
        return min(batch_size, max(_SMALLEST_SCALED_BATCH, round(batch_size * self.scale)))

    @model_validator(mode="after")
    def _path_goes_with_hdf5(self) -> DataSection:
        if (self.source == "hdf5") != (self.path is not None):
            raise ValueError('path must be given with source = "hdf5", and only then')
        if self.source == "twin" and self.frames_per_epoch == 0:
            raise ValueError('frames_per_epoch must be at least 1 with source = "twin"')
        if self.mix and (
            self.path is not None or {"profile", "parameters"} & self.model_fields_set
        ):
            raise ValueError("mix must stand alone, without path, profile and parameters")
        return self

    @property
    def hardest(self) -> DataSection:
        """The same data, of several profiles the one with the most unknown frames alone."""
        if not self.mix:
            return self
        return self.model_copy(update={"mix": (max(self.mix, key=lambda part: part.unknown),)})

    @property
    def has_unknown(self) -> bool:
        """Whether some frames are none of the 24 classes."""
        return any(part.unknown > 0 for part in self.mix)
