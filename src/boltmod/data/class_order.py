"""The order of class names, and the wrong one that travels with RadioML 2018.01A.

The data set's `classes.txt` lists its 24 classes in an order that its own labels do not follow:
label 0 is OOK, not 32PSK. Whoever trusts it reads every answer wrongly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from boltmod.errors import DataFormatError
from boltmod.modulation import CLASSES, FIELD_CLASSES, MISLEADING_ORDER
from boltmod.untrusted import read_bytes

_MOST_BYTES = 1 << 20

EXPLANATION = (
    "they stand in the order of the data set's own classes.txt, which its labels do not follow: "
    f"label 0 is {CLASSES[0]}, not {MISLEADING_ORDER[0]}"
)


def is_misleading(names: Sequence[str]) -> bool:
    """Whether names stand in the wrong order of the data set's own `classes.txt`."""
    return tuple(names) == MISLEADING_ORDER


def columns(names: Sequence[str]) -> list[int]:
    """Where each class of `CLASSES` stands among names.

    Names in the misleading order are taken to mean the labels that they were given by, so that
    nothing moves.

    Args:
        names: The 24 class names of some model or list, in its order, or these, `unknown`
            and what else has a name in the field.

    Returns:
        24 indices, or 32: `names[columns(names)[label]]` is the name of that label.

    Raises:
        DataFormatError: The names are not those of the 24 classes.
    """
    if is_misleading(names):
        return list(range(len(CLASSES)))
    if sorted(names) == sorted(FIELD_CLASSES):
        return [list(names).index(name) for name in FIELD_CLASSES]
    if sorted(names) != sorted(CLASSES):
        strange = [name for name in names if name not in CLASSES]
        shown = ", ".join(strange[:3]) or f"{len(names)} of them"
        raise DataFormatError(
            f"class names must be those of RadioML 2018.01A's 24 classes, not {shown}; "
            f"its own are {', '.join(CLASSES)}"
        )
    return [list(names).index(name) for name in CLASSES]


def read_names(path: Path) -> list[str]:
    """Class names from a list that lies beside a data set: `classes.txt` or a JSON list.

    Args:
        path: A JSON list of names, or text with names in quotes, such as the data set's own.

    Raises:
        DataFormatError: There are no names in it.
    """
    text = read_bytes(path, _MOST_BYTES, "a list of class names").decode("utf-8", "replace")
    names = _from_json(text) or re.findall(r"'([^']+)'", text) or re.findall(r'"([^"]+)"', text)
    if not names:
        raise DataFormatError(
            f"{path} must hold class names in quotes or as a JSON list, and holds none; "
            "remove it, or write them so"
        )
    return names


def _from_json(text: str) -> list[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [str(name) for name in document] if isinstance(document, list) else []
