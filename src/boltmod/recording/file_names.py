"""What the names of files say: SigMF's endings, and rate, frequency and sample format.

Source: gqrx (`gqrx_DATE_TIME_FREQUENCY_RATE_fc.raw`), SDR++ (`baseband_FREQUENCYHz_TIME_DATE.wav`),
hackrf_transfer, SDR# and HDSDR (`PROGRAM_DATE_TIMEZ_FREQUENCYkHz_IQ.wav`), rtl_433
(`NAME_433.92M_250k.cu8`: what ends in M is a frequency, what ends in k a rate), Universal Radio
Hacker (`NAME-433_92MHz-1MSps.complex16u`), SatDump (`DATE_TIME_RATESPS_FREQUENCYHz.s16`: I and Q),
RF Analyzer (`DATE_HACKRF_FREQUENCYkHz_RATEMSps.iq`), SatNOGS (`iq_RATE_OBSERVATION.raw`), KiwiSDR's
kiwirecorder (`DATETTIMEZ_FREQUENCY_STATION_iq.wav`); and as people write it: `fc=433.92M_fs=2M`.
What rtl_433 demodulated or took apart is real: `.am.s16`, `.fm.s16`, `.i.f32`, `.q.f32`.
The lowest radio frequency: ITU Radio Regulations, article 5, table of frequency allocations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from boltmod.recording.raw import SampleFormat

META_SUFFIX = ".sigmf-meta"
DATA_SUFFIX = ".sigmf-data"
_ANYHOW = re.ASCII | re.IGNORECASE
_GQRX = re.compile(r"gqrx_\d{8}_\d{6}_(\d{1,12})_(\d{1,12})_fc(?![a-z0-9])", _ANYHOW)
_INSTANT = re.compile(
    r"(?:(?<=gqrx_)(?=.*_fc\.)|(?<!\d)(?=\d{8}[T_-]\d{6}Z))(\d{8})[T_-](\d{6})", _ANYHOW
)
_SATNOGS = re.compile(r"iq_(\d{4,9})_\d+\.raw", _ANYHOW)
_KIWI = re.compile(r"\d{8}T\d{6}Z_(\d{1,9})_.*\.wav", _ANYHOW)
_SATDUMP = re.compile(r"_([\d.]+[km]?sps)_([\d.]+[kmg]?hz)\.\w+$", _ANYHOW)
_REAL_RTL_433 = re.compile(r"\.(am|fm|i|q)\.\w+$", _ANYHOW)
_RF_ANALYZER = {"hackrf": SampleFormat.CI8, "rtlsdr": SampleFormat.CU8}
"""What RF Analyzer's `.iq` files hold, by the receiver that their names give."""
_NUMBER = r"(\d{1,12}(?:\.\d+)?|(?<=-)\d{1,4}_\d{1,9})"
"""Universal Radio Hacker writes a decimal point as _, between words that - separates."""
_WORD = r"(?<![a-z0-9.]){} ?{}(?![a-z0-9])"
_NAMED = r"(?<![a-z0-9])(?:{})[=_ -]?(\d{{1,12}}(?:\.\d+)?) ?({})(?![a-z0-9.]*\d)"
_FREQUENCY = re.compile(_WORD.format(_NUMBER, "(k?hz|m(?:hz)?|g(?:hz)?)"), _ANYHOW)
_RATE = re.compile(_WORD.format(_NUMBER, "([km]?sps|k)"), _ANYHOW)
_NAMED_FREQUENCY = re.compile(
    _NAMED.format("fc|cf|freq|frequency|center|centre", "[kmg]?(?:hz)?"), _ANYHOW
)
_NAMED_RATE = re.compile(
    _NAMED.format("fs|sr|rate|samp_?rate|sample_?rate", "[km]?(?:sps|hz)?"), _ANYHOW
)
_LEAST_DIGITS = 3
_LOWEST_RADIO_HZ = 8300.0
"""Below, no frequencies are allocated: a name's `1kHz` is a tone, its `7500Hz_off` an offset."""
_UNITS = {
    "": 1.0, "hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "m": 1e6, "g": 1e9,
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
        started: When it begins, in UTC; only names that say so are believed, by their Z or because
            gqrx writes them.
    """

    rate_hz: float | None = None
    centre_hz: float | None = None
    sample_format: SampleFormat | None = None
    is_real: bool | None = None
    started: datetime | None = None


def facts_of(path: Path) -> NamedFacts:
    """Read a file's name."""
    return replace(_facts_of(path), started=_started(path.name))


def _started(name: str) -> datetime | None:
    match = _INSTANT.search(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1] + match[2], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _facts_of(path: Path) -> NamedFacts:
    name = path.name
    if match := _GQRX.search(name):
        sample_format = SampleFormat.CF32 if path.suffix.lower() == ".raw" else None
        return NamedFacts(float(match[2]) or None, float(match[1]), sample_format)
    if match := _SATNOGS.fullmatch(name):
        return NamedFacts(float(match[1]), None, SampleFormat.CI16)
    if match := _KIWI.fullmatch(name):
        return NamedFacts(centre_hz=float(match[1]))
    if match := _SATDUMP.search(name):
        return NamedFacts(
            _quantity(_RATE, match[1]), _quantity(_FREQUENCY, match[2]), is_real=False
        )
    return NamedFacts(
        _quantity(_NAMED_RATE, path.stem) or _quantity(_RATE, path.stem),
        _quantity(_NAMED_FREQUENCY, path.stem) or _tuned_to(path.stem),
        _of_receiver(path),
        is_real=True if _REAL_RTL_433.search(name) else None,
    )


def _tuned_to(name: str) -> float | None:
    """The frequency in a name, unless it is a tone's or how far a signal is off."""
    frequency_hz = _quantity(_FREQUENCY, name)
    is_radio = frequency_hz is not None and frequency_hz >= _LOWEST_RADIO_HZ
    return frequency_hz if is_radio else None


def _quantity(pattern: re.Pattern[str], name: str) -> float | None:
    for number, unit in pattern.findall(name):
        # 2m and 5g are a band of amateurs and a mobile network; 868.3m and 433m are frequencies.
        if unit in ("m", "g") and len(number) < _LEAST_DIGITS:
            continue
        if not unit and len(number) <= _LEAST_DIGITS:
            continue  # fc32 and cf32 are formats
        if len(unit) < 2 or unit[0].lower() not in "kmg":
            number = number.rpartition("_")[2]  # a decimal point is _ only before MHz, kSps or so
        return float(number.replace("_", ".")) * _UNITS[unit.lower()] or None
    return None


def _of_receiver(path: Path) -> SampleFormat | None:
    if path.suffix.lower() != ".iq":
        return None
    words = re.split("[^a-z0-9]+", path.stem.lower().replace("rtl-sdr", "rtlsdr"))
    return next((_RF_ANALYZER[word] for word in words if word in _RF_ANALYZER), None)
