"""Rates and frequencies as people write them: 48000, 240k, 2.4M, 433.92M."""

from __future__ import annotations

import re

from boltmod.errors import ConfigError

_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_NUMBER = r"(\d+(?:\.\d+)?)([kMG]?)"


def parse_rate(text: str, name: str = "rate", unit: str = "samples a second") -> float:
    """Read a positive quantity such as 48000, 240k or 2.4M.

    Args:
        text: What was written.
        name: What it is, for the message.
        unit: What it counts, for the message.

    Raises:
        ConfigError: It is none.
    """
    match = re.fullmatch(_NUMBER, text, re.ASCII)
    if match is None or not 0 < float(match[1]) < 1e15:
        raise ConfigError(
            f"{name} must be a positive number of {unit}, such as 240k or 2.4M, "
            f"not {text!r}: write it so"
        )
    return float(match[1]) * _MULTIPLES[match[2]]


def parse_offset(text: str) -> float:
    """Read a frequency from the middle of the band, such as 0, 12.5k or -100k, in Hz.

    Raises:
        ConfigError: It is none.
    """
    match = re.fullmatch(r"([+-]?)" + _NUMBER, text, re.ASCII)
    if match is None or float(match[2]) >= 1e15:
        raise ConfigError(
            f"offset must be a number of hertz, such as 12.5k or -100k, not {text!r}: write it so"
        )
    return float(match[2]) * _MULTIPLES[match[3]] * (-1.0 if match[1] == "-" else 1.0)


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
