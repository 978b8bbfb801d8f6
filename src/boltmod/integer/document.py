"""The program as a JSON document, and back: the same integers, whoever reads it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from boltmod.errors import DataFormatError
from boltmod.integer.form import STEPS, MultiplyShift, Program, Step

VERSION = 1
"""Of the document's layout."""

_DTYPES = {"thresholds of quantise": np.float32, "found": np.bool_}


def to_document(program: Program) -> dict[str, Any]:
    """Return a program as what JSON can hold."""
    return {
        "format": "boltmod integer program",
        "version": VERSION,
        "name": program.name,
        "classes": list(program.classes),
        "input_scaling": program.input_scaling,
        "scale": str(program.scale),
        "origins": dict(program.origins),
        "steps": [{"kind": step.word} | _plain(step) for step in program.steps],
    }


def from_document(document: dict[str, Any]) -> Program:
    """Return the program of a document.

    Raises:
        DataFormatError: It is none, of another version, or damaged.
    """
    if document.get("format") != "boltmod integer program" or document.get("version") != VERSION:
        raise DataFormatError(
            f"the document must be a boltmod integer program of version {VERSION}, and is another: "
            "make it again from the model"
        )
    try:
        return Program(
            document["name"],
            tuple(document["classes"]),
            document["input_scaling"],
            tuple(_step(each) for each in document["steps"]),
            Fraction(document["scale"]),
            dict(document["origins"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(
            f"the integer program must be whole, and is damaged ({error}): "
            "make it again from the model"
        ) from None


def _plain(part: Any) -> dict[str, Any]:
    return {each.name: _value(getattr(part, each.name)) for each in fields(part)}


def _value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return _plain(value) if is_dataclass(value) else value


def _step(document: dict[str, Any]) -> Step:
    kind = STEPS[document["kind"]]
    facts = {name: _read(kind.word, name, value) for name, value in document.items()}
    del facts["kind"]
    return kind(**facts)


def _read(word: str, name: str, value: Any) -> Any:
    if name in ("sources", "shape", "signs", "operations"):
        return tuple(value)
    if isinstance(value, dict):
        return MultiplyShift(**{key: _read(word, key, each) for key, each in value.items()})
    if isinstance(value, list):
        return np.array(value, _DTYPES.get(name, _DTYPES.get(f"{name} of {word}", np.int64)))
    return value
