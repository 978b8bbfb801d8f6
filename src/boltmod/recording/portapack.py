"""What PortaPack says of a capture, in a text file beside it.

Source: portapack-mayhem, `firmware/application/metadata_file.cpp`: lines `sample_rate=` and
`center_frequency=`, whole hertz.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from boltmod.recording.file_names import NamedFacts

_MOST_BYTES = 4096


def facts_beside(path: Path, named: NamedFacts) -> NamedFacts:
    """What the text file says, and the name where it is silent.

    Args:
        path: A file of nothing but samples: one that has been renamed keeps its text file.
        named: What its name says.
    """
    for suffix in (".TXT", ".txt", ".Txt"):
        beside = path.with_suffix(suffix)
        if beside != path and beside.is_file():
            return _read(beside, named)
    return named


def _read(path: Path, named: NamedFacts) -> NamedFacts:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode("ascii", "replace")
    pairs = dict(re.findall(r"(?m)^\s*(\w+)\s*=\s*(\d{1,15})(?:\.0*)?\s*$", text.lower(), re.ASCII))
    rate_hz, centre_hz = (float(pairs.get(key, 0)) for key in ("sample_rate", "center_frequency"))
    return replace(named, rate_hz=rate_hz or named.rate_hz, centre_hz=centre_hz or named.centre_hz)
