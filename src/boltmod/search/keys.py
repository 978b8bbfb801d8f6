"""Dotted keys of a recipe: `network.pool`, `network.channels.2`, `phases.prune.fraction`."""

from __future__ import annotations

import json
from typing import Any

_NAMED_WITHIN = "bit_widths"
"""The table whose keys are names of layers, dots and all."""


def copied(document: Any) -> Any:
    """Return a document's copy in JSON's types, which are TOML's."""
    return json.loads(json.dumps(document))


def parts(key: str) -> list[str]:
    """Return a key's parts; behind `bit_widths` comes one part alone, a layer's name."""
    found = key.split(".")
    if _NAMED_WITHIN in found[:-1]:
        place = found.index(_NAMED_WITHIN) + 1
        found[place:] = [".".join(found[place:])]
    return found


def has_place(document: Any, key: str) -> bool:
    """Whether a recipe has what a key names an entry of: a list may be shorter than that."""
    *path, last = parts(key)
    for part in path:
        if isinstance(document, list):
            index = _index(document, part)
            if index is None:
                return False
            document = document[index]
        elif isinstance(document, dict):
            document = document.get(part, {})
        else:
            return False
    return isinstance(document, dict) or (
        isinstance(document, list) and _index(document, last) is not None
    )


def put(document: Any, key: str, value: Any) -> None:
    """Give a recipe another value.

    Args:
        document: The recipe, as TOML holds it; changed in place.
        key: Where, and there is a place; an entry of a list by its number from 0, a phase by its
            name too.
        value: The value.
    """
    *path, last = parts(key)
    for part in path:
        if isinstance(document, list):
            document = document[_index(document, part) or 0]
        else:
            document = document.setdefault(part, {})
    if isinstance(document, list):
        document[_index(document, last) or 0] = value
    else:
        document[last] = value


def _index(entries: list[Any], part: str) -> int | None:
    if part.isdigit():
        return int(part) if int(part) < len(entries) else None
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("name") == part:
            return place
    return None
