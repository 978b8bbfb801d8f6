"""What PortaPack says of a capture, in a text file beside it.

Source: portapack-mayhem, `firmware/application/metadata_file.cpp`: lines `sample_rate=` and
`center_frequency=`, whole hertz.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from boltmod.recording.file_names import NamedFacts

SUFFIXES = (".c16", ".c8")
_MOST_BYTES = 4096


def facts_beside(path: Path, named: NamedFacts) -> NamedFacts:
    """What the text file says, and the name where it is silent."""
    if path.suffix.lower() not in SUFFIXES:
        return named
    for suffix in (".TXT", ".txt"):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return _read(beside, named)
    return named


def _read(path: Path, named: NamedFacts) -> NamedFacts:
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES).decode("ascii", "replace")
    pairs = dict(line.strip().lower().split("=", 1) for line in text.splitlines() if "=" in line)
    rate_hz, centre_hz = (_hertz(pairs.get(key)) for key in ("sample_rate", "center_frequency"))
    return replace(named, rate_hz=rate_hz or named.rate_hz, centre_hz=centre_hz or named.centre_hz)


def _hertz(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) or None if text.isascii() and text.isdigit() and len(text) < 16 else None
