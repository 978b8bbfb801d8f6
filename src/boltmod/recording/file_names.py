"""What the names of files say: SigMF's endings, and rate, frequency and sample format.

Source: gqrx (`gqrx_DATE_TIME_FREQUENCY_RATE_fc.raw`), SDR++ (`baseband_FREQUENCYHz_TIME_DATE.wav`),
hackrf_transfer, SDR# and HDSDR (`PROGRAM_DATE_TIMEZ_FREQUENCYkHz_IQ.wav`), rtl_433
(`NAME_433.92M_250k.cu8`: what ends in M is a frequency, what ends in k a rate).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from boltmod.recording.raw import SampleFormat

META_SUFFIX = ".sigmf-meta"
DATA_SUFFIX = ".sigmf-data"
ARCHIVE_SUFFIX = ".sigmf"
_GQRX = re.compile(r"gqrx_\d{8}_\d{6}_(\d{1,12})_(\d{1,12})_fc\.raw", re.ASCII)
_FREQUENCY = re.compile(r"(\d{1,12}(?:\.\d+)?)(Hz|kHz|MHz|GHz|M|G)", re.ASCII)
_RATE = re.compile(r"(\d{1,12}(?:\.\d+)?)(k|sps|ksps|Msps)", re.ASCII)
_UNITS = {
    "Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "M": 1e6, "G": 1e9,
    "k": 1e3, "sps": 1.0, "ksps": 1e3, "Msps": 1e6,
}  # fmt: skip


@dataclass(frozen=True)
class NamedFacts:
    """What a file's name says of the recording in it; None where it is silent.

    Args:
        rate_hz: Samples a second.
        centre_hz: Frequency the receiver was tuned to.
        sample_format: How a sample is stored.
    """

    rate_hz: float | None = None
    centre_hz: float | None = None
    sample_format: SampleFormat | None = None


def facts_of(path: Path) -> NamedFacts:
    """Read a file's name."""
    if match := _GQRX.fullmatch(path.name):
        return NamedFacts(float(match[2]) or None, float(match[1]), SampleFormat.CF32)
    words = path.stem.split("_")
    return NamedFacts(_quantity(_RATE, words) or None, _quantity(_FREQUENCY, words))


def _quantity(pattern: re.Pattern[str], words: list[str]) -> float | None:
    for word in words:
        if match := pattern.fullmatch(word):
            return float(match[1]) * _UNITS[match[2]]
    return None
