"""Recipes: what a recipe's TOML may say, validated once, at the edge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from boltmod.data.layout import RADIOML
from boltmod.data.section import DataSection
from boltmod.errors import ConfigError
from boltmod.modulation import UNKNOWN
from boltmod.nn import registry
from boltmod.nn.network_config import NetworkConfig
from boltmod.pipeline.phase.feedback import FeedbackPhase
from boltmod.pipeline.phase.lower import LowerPhase
from boltmod.pipeline.phase.prune import PrunePhase
from boltmod.pipeline.phase.train import TrainPhase
from boltmod.toml_table import Section, read_table, validated

AnyPhase = Annotated[
    TrainPhase | PrunePhase | FeedbackPhase | LowerPhase, Field(discriminator="kind")
]
"""Every kind of phase, told apart by its `kind`."""


class NetworkSection(BaseModel):
    """Which network, and its parameters: the network's own configuration checks them.

    Attributes:
        name: One of the package's, an entry point of the group `boltmod.networks`, or
            `module:Class`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    _config: NetworkConfig = PrivateAttr()

    @model_validator(mode="after")
    def _there_is_one(self) -> NetworkSection:
        self._config = registry.parse(self.name, self.parameters)
        said = {"class_names", "frame_length"} & self.parameters.keys()
        if said:
            raise ValueError(
                f"network.{min(said)} must be left out: [data] says classes and frame_length"
            )
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})

    @property
    def config(self) -> NetworkConfig:
        """The network's configuration for RadioML 2018.01A's frames; see `Recipe.config`."""
        return self._config


class ExportSection(Section):
    """How the exported model is checked against the network.

    Attributes:
        frames: Frames both classify.
        tolerance: Largest difference of a class score, in standard deviations of all scores.
        calibrate: Whether probabilities are made to mean what they say: a temperature is fitted on
            the validation frames (of several profiles those of the one with the most unknown
            frames) and multiplied into the last layer.
        unquantised: Whether a floating-point model is wanted: its cost is that of 32-bit operands.
    """

    frames: int = Field(512, ge=256)
    tolerance: float = Field(0.05, gt=0)
    calibrate: bool = False
    unquantised: bool = False


class EvaluationSection(Section):
    """The test at the end.

    Attributes:
        frames_per_cell: Frames of each (class, SNR) pair, drawn from the twin; with an HDF5 file
            the official test split is used, whole.
    """

    frames_per_cell: int = Field(40, ge=1)


class Recipe(Section):
    """Everything needed to make a network again.

    Attributes:
        name: The network's name in reports and in the exported model.
        seed: Training frames and first weights; validation frames have `seed + 1`, test frames
            `seed + 2`.
        start: What to go on from in place of fresh weights: a run folder, a phase's folder in its
            checkpoints, a .safetensors file, the ONNX file of a network that boltmod exported or
            that was published, or the name of one that comes with boltmod.

    Examples:
        >>> import boltmod
        >>> recipe = boltmod.Recipe.model_validate({
        ...     "name": "mine",
        ...     "network": {"name": "boltnet", "stem_channels": 8},
        ...     "phases": [{"name": "first", "kind": "train", "epochs": 10}],
        ... })
        >>> recipe.phases[0].learning_rate
        0.01
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    seed: int = Field(2018, ge=0, lt=2**31 - 2)
    start: Path | None = None
    network: NetworkSection
    data: DataSection = DataSection()
    phases: tuple[AnyPhase, ...] = Field(min_length=1)
    export: ExportSection = ExportSection()
    evaluation: EvaluationSection = EvaluationSection()

    @model_validator(mode="after")
    def _phases_make_sense(self) -> Recipe:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError("phases must have different names")
        known: set[str] = set()
        for phase in self.phases:
            teacher = phase.distill.phase if phase.distill else None
            if teacher is not None and teacher not in known:
                raise ValueError(
                    f"distill.phase of {phase.name} must be an earlier phase, not {teacher}"
                )
            known |= {each.name for each in phase.rounds_apart}
        quantised = [phase.has_quantisers for phase in self.phases]
        if not quantised[-1] and not self.export.unquantised:
            raise ValueError(
                "the last phase must be quantised: its network is exported; for a floating-point "
                "model say unquantised = true under [export]"
            )
        if sorted(quantised) != quantised:
            raise ValueError("phases without quantisers must come first")
        return self

    @model_validator(mode="after")
    def _network_fits(self) -> Recipe:
        config, name = self.config, self.network.name
        if not config.quantised and any(phase.has_quantisers for phase in self.phases):
            raise ValueError(
                f"phases of {name}, which has no quantisers, must be floating-point training: "
                "say quantised = false"
            )
        if self.data.classes and config.classes != self.data.classes:
            raise ValueError(
                f"network {name} must have an output for each of data.classes, and has its own "
                "whatever is said: let its configuration's classes be class_names"
            )
        if self.data.has_unknown != (UNKNOWN in config.classes):
            raise ValueError(
                "network must have an output for unknown where data.mix draws such frames, and "
                "only there: set network.unknown and data.mix.unknown to agree"
            )
        return self

    @property
    def config(self) -> NetworkConfig:
        """The network's configuration for the classes and frames of the recipe's data."""
        data = self.data
        if data.layout == RADIOML:
            return self.network.config
        return replace(
            self.network.config, class_names=data.classes, frame_length=data.frame_length
        )

    @property
    def document(self) -> dict[str, Any]:
        """The recipe with every default written out, the network's too, as TOML holds it."""
        document: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        # TOML has no word for nothing: what is left out is what it was.
        described = registry.describe(self.network.config).items()
        document["network"] = {name: value for name, value in described if value is not None}
        return document


def read_recipe(path: Path | str, scale: float | None = None) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: The recipe's file.
        scale: Replaces its `data.scale`; None leaves it.

    Raises:
        ConfigError: The file is missing, is not TOML, or says something a recipe cannot say.

    Examples:
        >>> import boltmod
        >>> boltmod.read_recipe("tiny.toml").network.name
        'bacalhaunet'
    """
    document = read_table(path, "recipe")
    if scale is not None and isinstance(document.setdefault("data", {}), dict):
        document["data"]["scale"] = scale
    try:
        return validated(Recipe, document)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
