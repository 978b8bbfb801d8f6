"""What the names of files say: SigMF's endings, and rate, frequency and sample format.

Source: gqrx (`gqrx_DATE_TIME_FREQUENCY_RATE_fc.raw`), SDR++ (`baseband_FREQUENCYHz_TIME_DATE.wav`),
hackrf_transfer, SDR# and HDSDR (`PROGRAM_DATE_TIMEZ_FREQUENCYkHz_IQ.wav`), rtl_433
(`NAME_433.92M_250k.cu8`: what ends in M is a frequency, what ends in k a rate), Universal Radio
Hacker (`NAME-433_92MHz-1MSps.complex16u`), SatDump (`DATE_TIME_RATESPS_FREQUENCYHz.s16`: I and Q),
RF Analyzer (`DATE_HACKRF_FREQUENCYkHz_RATEMSps.iq`), SatNOGS (`iq_RATE_OBSERVATION.raw`), KiwiSDR's
kiwirecorder (`DATETTIMEZ_FREQUENCY_STATION_iq.wav`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from boltmod.recording.raw import SampleFormat

META_SUFFIX = ".sigmf-meta"
DATA_SUFFIX = ".sigmf-data"
ARCHIVE_SUFFIX = ".sigmf"
_GQRX = re.compile(r"gqrx_\d{8}_\d{6}_(\d{1,12})_(\d{1,12})_fc\.raw", re.ASCII | re.IGNORECASE)
_SATNOGS = re.compile(r"iq_(\d{4,9})_\d+\.raw", re.ASCII | re.IGNORECASE)
_KIWI = re.compile(r"\d{8}T\d{6}Z_(\d{1,9})_.*\.wav", re.ASCII | re.IGNORECASE)
_SATDUMP = re.compile(r".*_(\d{4,10})SPS_(\d{4,12})Hz\.\w+", re.ASCII | re.IGNORECASE)
_RF_ANALYZER = {"hackrf": SampleFormat.CI8, "rtlsdr": SampleFormat.CU8}
"""What RF Analyzer's `.iq` files hold, by the receiver that their names give."""
_NUMBER = r"(\d{1,12}(?:\.\d+)?|(?<=-)\d{1,4}_\d{1,9})"
"""Universal Radio Hacker writes a decimal point as _, between words that - separates."""
_WORD = r"(?<![a-z0-9.]){} ?{}(?![a-z0-9])"
_FREQUENCY = re.compile(_WORD.format(_NUMBER, "(k?hz|m(?:hz)?|g(?:hz)?)"), re.ASCII | re.IGNORECASE)
_RATE = re.compile(_WORD.format(_NUMBER, "([km]?sps|k)"), re.ASCII | re.IGNORECASE)
_LEAST_DIGITS = 3
_UNITS = {
    "hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "m": 1e6, "g": 1e9,
    "k": 1e3, "sps": 1.0, "ksps": 1e3, "msps": 1e6,
}  # fmt: skip


@dataclass(frozen=True)
class NamedFacts:
    """What a file's name says of the recording in it; None where it is silent.

    Args:
        rate_hz: Samples a second.
        centre_hz: Frequency the receiver was tuned to.
        sample_format: How a sample is stored.
        is_real: Whether a sample is one number, where the ending alone does not tell.
    """

    rate_hz: float | None = None
    centre_hz: float | None = None
    sample_format: SampleFormat | None = None
    is_real: bool | None = None


def facts_of(path: Path) -> NamedFacts:
    """Read a file's name."""
    if match := _GQRX.fullmatch(path.name):
        return NamedFacts(float(match[2]) or None, float(match[1]), SampleFormat.CF32)
    if match := _SATNOGS.fullmatch(path.name):
        return NamedFacts(float(match[1]), None, SampleFormat.CI16)
    if match := _SATDUMP.fullmatch(path.name):
        return NamedFacts(float(match[1]), float(match[2]), is_real=False)
    if match := _KIWI.fullmatch(path.name):
        return NamedFacts(centre_hz=float(match[1]))
    return NamedFacts(
        _quantity(_RATE, path.stem), _quantity(_FREQUENCY, path.stem), _of_receiver(path)
    )


def _quantity(pattern: re.Pattern[str], name: str) -> float | None:
    for number, unit in pattern.findall(name):
        # 2m and 5g are a band of amateurs and a mobile network; 868.3m and 433m are frequencies.
        if unit in ("m", "g") and len(number) < _LEAST_DIGITS:
            continue
        return float(number.replace("_", ".")) * _UNITS[unit.lower()] or None
    return None


def _of_receiver(path: Path) -> SampleFormat | None:
    if path.suffix.lower() != ".iq":
        return None
    words = re.split("[^a-z0-9]+", path.stem.lower())
    return next((_RF_ANALYZER[word] for word in words if word in _RF_ANALYZER), None)
