"""What a model file says about itself: class names, input scaling, where it came from.

The facts travel in the ONNX file's `metadata_props`, under keys that begin with `boltmod.`, so that
any ONNX viewer shows them and no second file is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import onnx

from boltmod.errors import ModelFormatError
from boltmod.modulation import CLASSES
from boltmod.untrusted import visible

_CLASSES_KEY = "boltmod.classes"
_SCALING_KEY = "boltmod.input_scaling"
_PROVENANCE_PREFIX = "boltmod.provenance."


class InputScaling(StrEnum):
    """How the frames were scaled that a network learned from.

    Frames of a RadioML data set already are, and go in as they stand; windows of a recording are
    not, and `boltmod.runtime.windows` brings them there.
    """

    UNIT_STD = "unit_std"
    """A frame is divided by its complex standard deviation. The mean is left out of that estimate,
    not out of the frame. RadioML 2018.01A is scaled so."""

    NONE = "none"
    """A frame is taken at the level it has."""


@dataclass(frozen=True)
class Metadata:
    """A model's own description.

    Args:
        classes: Name of each output, in output order; those of RadioML 2018.01A by default.
        input_scaling: How its frames are scaled, an `InputScaling` or its value.
        provenance: Free text by key: recipe, seed, data, version, accuracy and the like.

    Examples:
        >>> import boltmod
        >>> found = boltmod.load_model("boltnet").metadata
        >>> found.input_scaling, found.provenance["recipe"]
        (<InputScaling.UNIT_STD: 'unit_std'>, 'boltnet')
    """

    classes: tuple[str, ...] = CLASSES
    input_scaling: str = InputScaling.UNIT_STD
    provenance: Mapping[str, str] = field(default_factory=dict)


def write(proto: onnx.ModelProto, metadata: Metadata) -> onnx.ModelProto:
    """Give a model a description, in place of the one it had.

    Args:
        proto: The model; it stays as it is.
        metadata: The description.

    Returns:
        A copy with the description; what others wrote into the metadata is still there.
    """
    entries = {
        _CLASSES_KEY: json.dumps(list(metadata.classes)),
        _SCALING_KEY: str(InputScaling(metadata.input_scaling)),
    }
    entries |= {_PROVENANCE_PREFIX + key: text for key, text in metadata.provenance.items()}
    others = {p.key: p.value for p in proto.metadata_props if not p.key.startswith("boltmod.")}
    described = onnx.ModelProto()
    described.CopyFrom(proto)
    onnx.helper.set_model_props(described, others | entries)
    return described


def read(proto: onnx.ModelProto) -> Metadata | None:
    """Take the description out of a model.

    Returns:
        The description; None where the model holds none.

    Raises:
        ModelFormatError: The description is damaged.
    """
    entries = {p.key: p.value for p in proto.metadata_props}
    if _CLASSES_KEY not in entries:
        return None
    scaling = entries.get(_SCALING_KEY, InputScaling.UNIT_STD)
    if scaling not in set(InputScaling):
        raise ModelFormatError(
            f"{_SCALING_KEY} must be one of {', '.join(InputScaling)}, not {scaling!r}: "
            "export the model again"
        )
    return Metadata(
        classes=_parse_classes(entries[_CLASSES_KEY]),
        input_scaling=InputScaling(scaling),
        provenance={
            visible(key.removeprefix(_PROVENANCE_PREFIX)): visible(text)
            for key, text in entries.items()
            if key.startswith(_PROVENANCE_PREFIX)
        },
    )


def _parse_classes(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelFormatError(
            f"{_CLASSES_KEY} must be a JSON list of names, not {text[:40]!r}: "
            "export the model again"
        )
    return tuple(visible(name) for name in names)
