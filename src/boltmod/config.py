"""Recipe models: what a recipe's TOML may say, validated once, at the edge."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from boltmod.errors import ConfigError
from boltmod.untrusted import parse_toml, read_bytes

_SMALLEST_SCALED_BATCH = 128

MOST_RECIPE_BYTES = 1 << 20
"""Of a recipe, or of a search space."""


class Section(BaseModel):
    """A table of a recipe: frozen, and deaf to no misspelt key."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    parameters: dict[str, Any] = {}
    share: float = Field(1.0, gt=0)
    minimum_snr: int | None = Field(None, ge=-20, le=30)
    unknown: float = Field(0.0, ge=0, lt=1)


class DataSection(Section):
    """Where training, validation and test frames come from.

    Attributes:
        source: `twin` draws every frame from the generator; `hdf5` reads a RadioML file.
        path: The RadioML file (`hdf5` only); its official split is used.
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
    """

    source: Literal["twin", "hdf5"] = "twin"
    path: Path | None = None
    profile: str = "twin"
    parameters: dict[str, Any] = {}
    mix: tuple[MixPart, ...] = ()
    frames_per_epoch: int = Field(100_000, ge=0)
    scale: float = Field(1.0, gt=0, le=1)
    keep_epochs: int = Field(0, ge=0)
    validation_frames: int = Field(4992, ge=24)
    minimum_snr: int = Field(-20, ge=-20, le=30)

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


class NetworkSection(BaseModel):
    """Which network, and its parameters (the network's own configuration checks them)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class Distillation(Section):
    """Learning from a teacher's answers beside the labels.

    The loss is `hard_weight` times the cross-entropy with the labels, plus `soft_weight` times
    T² times the Kullback-Leibler divergence of the answers softened by the temperature T.

    Attributes:
        phase: An earlier phase whose final network teaches (a round of one: `<phase>-<round>`).
        checkpoint: A run folder, a phase's folder in its checkpoints, or a .safetensors file.
        model: Any classifier in ONNX: a file, or the name of a network that comes with boltmod.
        temperature: T.
        hard_weight: Weight of the cross-entropy.
        soft_weight: Weight of the divergence, before T².
    """

    phase: str | None = None
    checkpoint: Path | None = None
    model: Path | None = None
    temperature: float = Field(2.0, gt=0)
    hard_weight: float = Field(0.5, ge=0)
    soft_weight: float = Field(0.5, gt=0)

    @model_validator(mode="after")
    def _one_teacher(self) -> Distillation:
        given = [t for t in (self.phase, self.checkpoint, self.model) if t is not None]
        if len(given) != 1:
            raise ValueError(
                f"exactly one of phase, checkpoint and model must be given, not {len(given)}"
            )
        return self


class Optimisation(Section):
    """What every phase that trains has in common.

    Attributes:
        name: The phase's name, in file names and tables.
        epochs: Passes of `data.frames_per_epoch` frames.
        batch_size: Frames a step.
        optimiser: `adamw` decays weights apart from the gradient, `adam` within it.
        learning_rate: The highest learning rate.
        schedule: `one_cycle` rises and falls once; `cosine` falls; `cosine_restarts` falls and
            starts again every `restart_epochs`; `constant` stays.
        restart_epochs: Epochs between restarts.
        weight_decay: Decay of convolution and dense weights.
        gradient_clip: Largest norm of the gradient; 0 does not clip.
        label_smoothing: Share of a label spread over all classes.
        minimum_snr: Overrides `data.minimum_snr` in this phase.
        keep: Which weights the phase ends with, by accuracy on the validation frames.
        precision: Arithmetic, in Lightning Fabric's words.
        norm_frames: Training frames over which the statistics of batch normalisation are measured
            anew at the end of every epoch; 0 leaves them as running averages of the last steps,
            which small quantised networks are sensitive to.
        distill: The teacher, if there is one.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    epochs: int = Field(ge=1)
    batch_size: int = Field(512, ge=2)
    optimiser: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(0.01, gt=0)
    schedule: Literal["one_cycle", "cosine", "cosine_restarts", "constant"] = "one_cycle"
    restart_epochs: int = Field(5, ge=1)
    weight_decay: float = Field(1e-4, ge=0)
    gradient_clip: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    minimum_snr: int | None = Field(None, ge=-20, le=30)
    keep: Literal["best", "last"] = "best"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    norm_frames: int = Field(0, ge=0)
    distill: Distillation | None = None


class TrainPhase(Optimisation):
    """Train the network, with quantisers or, to begin with, without."""

    kind: Literal["train"]
    quantised: bool = True


class Pruning(Optimisation):
    """Which weights pruning looks at, and how it compares them.

    Attributes:
        layers: Which layers lose weights.
        scope: Who competes: all weights (`global`), those of all convolutions and those of all
            dense layers apart (`kind`), or each layer's own (`layer`).
        measure: A weight's own magnitude (`absolute`), its ratio to the root mean square of what
            is left of its layer (`relative`), or by how much the loss would rise without it, for
            the score that it costs (`loss_per_cost`, measured on the validation frames).
    """

    layers: Literal["all", "convolutions", "dense"] = "all"
    scope: Literal["global", "kind", "layer"] = "global"
    measure: Literal["absolute", "relative", "loss_per_cost"] = "relative"


class PrunePhase(Pruning):
    """Zero the smallest weights and train the rest, in rounds.

    Attributes:
        rounds: How often.
        fraction: Share of the remaining weights zeroed in each round.
        threshold: Zero every weight up to this instead, by `measure`; nobody competes.
    """

    kind: Literal["prune"]
    rounds: int = Field(1, ge=1, le=1000)
    fraction: float | None = Field(None, gt=0, lt=1)
    threshold: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_rule(self) -> PrunePhase:
        if (self.fraction is None) == (self.threshold is None):
            raise ValueError("either fraction or threshold must be given, not both")
        if self.threshold is not None and self.measure == "loss_per_cost":
            raise ValueError('measure = "loss_per_cost" must go with fraction, not with threshold')
        return self


class FeedbackPhase(Pruning):
    """Prune and train again as long as accuracy allows, in ever smaller steps.

    An attempt that ends below the floor is taken back, and the next one zeroes half as much.

    Attributes:
        fraction: Share of the remaining weights that the first attempt zeroes.
        floor: Accuracy on the validation frames that an attempt must reach, 0 to 1.
        smallest_fraction: The phase ends when a step would be smaller.
    """

    kind: Literal["feedback"]
    fraction: float = Field(0.2, gt=0, lt=1)
    floor: float = Field(ge=0, le=1)
    smallest_fraction: float = Field(0.01, gt=0, lt=1)


class LowerPhase(Optimisation):
    """Take bits away from single layers, where they are missed least; then perhaps train.

    Attributes:
        epochs: Epochs of training afterwards; 0 for none.
        of: What loses bits.
        per: What a loss of accuracy is weighed against: bit operations, or the whole score.
        smallest_bits: No layer goes below.
        largest_loss: Accuracy on the validation frames that may be lost in all, before training.
        target_score: The phase lowers no further once the challenge's score is at or below this.
    """

    kind: Literal["lower"]
    epochs: int = Field(0, ge=0)
    of: Literal["weights", "activations", "both"] = "both"
    per: Literal["bops", "score"] = "score"
    smallest_bits: int = Field(2, ge=2, le=8)
    largest_loss: float = Field(0.01, ge=0, le=1)
    target_score: float = Field(0.0, ge=0)


PHASES = (TrainPhase, PrunePhase, FeedbackPhase, LowerPhase)

Phase = Annotated[TrainPhase | PrunePhase | FeedbackPhase | LowerPhase, Field(discriminator="kind")]


def stage_names(phase: Phase) -> tuple[str, ...]:
    """Return the names a phase runs under: its own, or one a round where there are several."""
    rounds = phase.rounds if isinstance(phase, PrunePhase) else 1
    if rounds == 1:
        return (phase.name,)
    return tuple(f"{phase.name}-{number}" for number in range(1, rounds + 1))


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
            checkpoints, a .safetensors file, or the ONNX file of a published network.

    Example:
        >>> import boltmod
        >>> recipe = boltmod.Recipe.model_validate({
        ...     "name": "mine",
        ...     "network": {"name": "boltnet", "channels": [16, 16]},
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
    phases: tuple[Phase, ...] = Field(min_length=1)
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
            known |= set(stage_names(phase))
        quantised = [phase.kind != "train" or phase.quantised for phase in self.phases]
        if not quantised[-1] and not self.export.unquantised:
            raise ValueError(
                "the last phase must be quantised: its network is exported; for a floating-point "
                "model say unquantised = true under [export]"
            )
        if sorted(quantised) != quantised:
            raise ValueError("phases without quantisers must come first")
        return self


def read_recipe(path: Path | str, scale: float | None = None) -> Recipe:
    """Read and validate a recipe.

    Args:
        path: The recipe's file.
        scale: Replaces its `data.scale`; None leaves it.

    Raises:
        ConfigError: The file is missing, is not TOML, or says something a recipe cannot say.

    Example:
        >>> import boltmod
        >>> boltmod.read_recipe("tiny.toml").network.name
        'bacalhaunet'
    """
    try:
        text = read_bytes(Path(path), MOST_RECIPE_BYTES, "a recipe", ConfigError)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as a recipe ({error})") from None
    document = parse_toml(text, Path(path), ConfigError)
    if scale is not None and isinstance(document.setdefault("data", {}), dict):
        document["data"]["scale"] = scale
    try:
        recipe = Recipe.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{path}: {one_line(error)}") from None
    return recipe


def one_line(error: ValidationError, *sections: type[BaseModel]) -> str:
    """Return what is wrong first, where, and the way out, in one line.

    Args:
        error: What pydantic found.
        sections: The table it was found in, and more whose keys a misspelt key may be meant to
            be; a recipe and its tables if none are given.
    """
    table = sections[0].__name__.lower() if sections else "recipe"
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    # A misspelt key also makes the right one look missing: the misspelling is the news.
    first = sorted(error.errors(), key=lambda found: found["type"] not in unknown)[0]
    path = [part for i, part in enumerate(first["loc"]) if not _is_tag(first["loc"], i)]
    where = ".".join(str(part) for part in path) or table
    if first["type"] in unknown:
        return f"{where} is not a known key{_nearest(str(first['loc'][-1]), sections)}"
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    if first["type"].startswith("union_tag"):
        context = first.get("ctx", {})
        return f"{where}.kind must be one of {context.get('expected_tags', 'the known kinds')}"
    rule = first["msg"].removeprefix("Input should be ").replace("Input should", "should")
    return f"{where} must be {rule}, not {first['input']!r}"


def _is_tag(location: tuple[int | str, ...], place: int) -> bool:
    """Whether a part of a location is a phase's kind, which the recipe has no table for."""
    return place > 0 and isinstance(location[place - 1], int) and location[0] == "phases"


def _nearest(key: str, sections: tuple[type[BaseModel], ...]) -> str:
    recipe = (
        Recipe,
        DataSection,
        MixPart,
        *PHASES,
        Distillation,
        ExportSection,
        EvaluationSection,
    )
    known = sorted({name for section in sections or recipe for name in section.model_fields})
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
