"""Rates and frequencies as people write them: 48000, 240k, 2.4M, 1e6, 433.92 MHz, 2.048Msps."""

from __future__ import annotations

import re

from boltmod.errors import ConfigError

_MULTIPLES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_NUMBER = re.compile(
    r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d{1,2})? ?([kmg]?)([a-z/]*)", re.ASCII | re.IGNORECASE
)
_UNITS = {
    "samples a second": ("hz", "sps", "s/s", "sa/s", "samples/s"),
    "hertz": ("hz",),
    "symbols": ("hz", "bd", "baud", "sps", "sym/s", "symbols/s"),
}
"""What may stand behind a number, by what that counts; capitals are as good."""
_LARGEST = 1e15


def parse_rate(text: str, name: str = "rate", unit: str = "samples a second") -> float:
    """Read a positive quantity such as 48000, 240k, 2.4M, 1e6, 1MHz or 2.048Msps.

    Args:
        text: What was written.
        name: What it is, for the message.
        unit: What it counts: samples a second, hertz or symbols.

    Raises:
        ConfigError: It is none.
    """
    value = _value(text, unit)
    if value is None or text[:1] in "+-" or not 0 < value < _LARGEST:
        raise ConfigError(
            f"{name} must be a positive number of {unit}, such as 240k or 2.4M, "
            f"not {text!r}: write it so"
        )
    return value


def parse_offset(text: str) -> float:
    """Read a frequency from the middle of the band, such as 0, 12.5k, -100k or -1e5 Hz, in Hz.

    Raises:
        ConfigError: It is none.
    """
    value = _value(text, "hertz")
    if value is None or abs(value) >= _LARGEST:
        raise ConfigError(
            f"offset must be a number of hertz, such as 12.5k or -100k, not {text!r}: write it so"
        )
    return value


def _value(text: str, unit: str) -> float | None:
    """The number that is written, its multiple and unit taken into account; None if none is.

    A lone m is no multiple: it could be a thousandth. Before a unit it is a million, as on radios.
    """
    match = _NUMBER.fullmatch(text)
    if match is None or (match[4] == "m" and not match[5]):
        return None
    if match[5] and match[5].lower() not in _UNITS[unit]:
        return None
    value = float(match[2] + (match[3] or "")) * _MULTIPLES[match[4].lower()]
    return -value if match[1] == "-" else value


def parse_channels(text: str) -> tuple[int, ...]:
    """Read a channel's number, or two, such as 3 or 1,2.

    Raises:
        ConfigError: They are none.
    """
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})?", text, re.ASCII):
        raise ConfigError(
            f"channels must be the numbers of one or two, such as 3 or 1,2, not {text!r}: "
            "write it so"
        )
    return tuple(int(each) for each in text.split(","))
