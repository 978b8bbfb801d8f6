"""What a generator profile may set: every parameter with its unit, range and source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, Literal

from boltmod.errors import ConfigError

Span = tuple[float, float]
"""Lowest and highest value; each frame draws its own, uniformly, between them."""

MEASURED = "measured on printed samples of the real data set"
PUBLISHED = "published statistics of the real data set"
FITTED = "fitted so that networks trained on the real data score as they did on it"
ASSUMED = "assumed"


def parameter(default: Any, *, unit: str, low: float | int, high: float | int, source: str) -> Any:
    """A dataclass field with its unit, the range it must lie in, and where its value is from."""
    return field(default=default, metadata={"unit": unit, "range": (low, high), "source": source})


def choice(default: str, *, source: str) -> Any:
    """A dataclass field that takes one of the words its annotation lists."""
    return field(default=default, metadata={"unit": "", "source": source})


def _numbers(value: Any) -> tuple[float | int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class Section:
    """Base of every part of a profile: checks each parameter against its range."""

    def __post_init__(self) -> None:
        for item in fields(self):
            if "range" in item.metadata:
                self._check(item)

    def _check(self, item: Field[Any]) -> None:
        low, high = item.metadata["range"]
        value = getattr(self, item.name)
        for number in _numbers(value):
            if not (math.isfinite(number) and low <= number <= high):
                unit = f" {item.metadata['unit']}" if item.metadata["unit"] else ""
                msg = (
                    f"{type(self).__name__}.{item.name} must be {low:g} to {high:g}{unit}, "
                    f"not {value}; change it in the profile's overrides"
                )
                raise ConfigError(msg)


@dataclass(frozen=True)
class Pulse(Section):
    """The linear classes' pulse, given by its spectrum.

    1 for |f|T < (1−a)/2, then cos^p(π/2·(|f|T − (1−a)/2)/a) up to (1+a)/2: p = 1 is the root
    raised cosine, p = 2 the raised cosine.
    """

    exponent: float = parameter(3.0, unit="", low=0.5, high=8, source=MEASURED + ": 2.7 to 3.1")
    rolloff: tuple[float, float] = parameter(
        (0.46, 0.46), unit="", low=0.01, high=1, source=MEASURED
    )
    span_symbols: int = parameter(
        16, unit="symbols", low=4, high=64, source="tail below -60 dB of the peak"
    )


@dataclass(frozen=True)
class Constellations(Section):
    """Ring radii of the APSK classes, up to scale, and the form of OQPSK."""

    apsk16_radii: tuple[float, float] = parameter(
        (1.0, 2.85), unit="", low=0.1, high=20, source="EN 302 307-1 table 9, code rate 3/4"
    )
    apsk32_radii: tuple[float, float, float] = parameter(
        (1.0, 2.84, 5.27), unit="", low=0.1, high=20, source="EN 302 307-1 table 10, code rate 3/4"
    )
    apsk64_radii: tuple[float, float, float, float] = parameter(
        (1.0, 2.73, 4.52, 6.31), unit="", low=0.1, high=20, source="EN 302 307-2 table 13e"
    )
    apsk128_radii: tuple[float, float, float, float] = parameter(
        (1.0, 2.2, 3.4, 4.6), unit="", low=0.1, high=20, source=FITTED + "; not identified"
    )
    oqpsk: Literal["axis", "diagonal"] = choice("axis", source=FITTED)


@dataclass(frozen=True)
class Linear(Section):
    """Symbol rate and pulse of ASK, PSK, APSK, QAM and OQPSK."""

    samples_per_symbol: int = parameter(8, unit="samples", low=2, high=64, source=MEASURED)
    pulse: Pulse = field(default_factory=Pulse)
    constellations: Constellations = field(default_factory=Constellations)


@dataclass(frozen=True)
class Gmsk(Section):
    """Gaussian minimum-shift keying, by its frequency pulse."""

    pulse: Literal["measured", "gaussian"] = choice("measured", source=MEASURED)
    modulation_index: float = parameter(0.642, unit="", low=0.1, high=2, source=MEASURED)
    bandwidth_time: float = parameter(
        0.35, unit="", low=0.1, high=2, source="only for the Gaussian pulse; 0.3 in GSM 05.04"
    )


@dataclass(frozen=True)
class Message(Section):
    """A Gaussian process with a flat spectrum between two frequencies."""

    low: float = parameter(0.0, unit="cycles/sample", low=0, high=0.5, source=ASSUMED)
    high: float = parameter(2e-3, unit="cycles/sample", low=1e-5, high=0.5, source=FITTED)


@dataclass(frozen=True)
class AmplitudeModulation(Section):
    """Double or single sideband: carrier + depth·message, on a carrier frequency."""

    message: Message = field(default_factory=Message)
    carrier: float = parameter(1.0, unit="", low=0, high=1, source=MEASURED)
    depth: float = parameter(0.1, unit="", low=0, high=10, source=FITTED)
    carrier_frequency: float = parameter(
        0.0, unit="cycles/sample", low=0, high=0.5, source=MEASURED
    )
    leak_std: float = parameter(0.0, unit="of the signal's rms", low=0, high=1, source=ASSUMED)


@dataclass(frozen=True)
class FrequencyModulation(Section):
    """FM of a Gaussian message on a carrier frequency."""

    message: Message = field(default_factory=Message)
    deviation: float = parameter(2e-3, unit="cycles/sample rms", low=0, high=0.25, source=ASSUMED)
    carrier_frequency: float = parameter(
        1 / 32, unit="cycles/sample", low=0, high=0.5, source=MEASURED
    )


@dataclass(frozen=True)
class Analog(Section):
    """The five analog classes."""

    am_ssb_wc: AmplitudeModulation = AmplitudeModulation(Message(high=1.5e-3), depth=0.055)
    am_ssb_sc: AmplitudeModulation = AmplitudeModulation(Message(high=8e-3), depth=0.080)
    am_dsb_wc: AmplitudeModulation = AmplitudeModulation(
        Message(high=2e-3), depth=0.045, carrier_frequency=1 / 32, leak_std=0.03
    )
    am_dsb_sc: AmplitudeModulation = AmplitudeModulation(
        Message(high=2e-3), depth=0.12, carrier_frequency=1 / 32, leak_std=0.05
    )
    fm: FrequencyModulation = FrequencyModulation(Message(high=3e-4))


@dataclass(frozen=True)
class Channel(Section):
    """What happens to the signal before the noise."""

    carrier_offset_std: float = parameter(
        3e-4, unit="rad/sample", low=0, high=1, source=MEASURED + ", ±40 %"
    )


@dataclass(frozen=True)
class Noise(Section):
    """White complex Gaussian noise, and how a label becomes a true SNR."""

    snr_db_per_label: float = parameter(
        2.0, unit="dB", low=0.1, high=4, source=MEASURED + ": -56 dB at label 30, -39 dB at 18"
    )
    snr_db_at_label_zero: float = parameter(0.8, unit="dB", low=-40, high=40, source=FITTED)


@dataclass(frozen=True)
class Profile(Section):
    """Everything that decides what a class looks like; frozen, hashable, comparable."""

    name: str = "twin"
    linear: Linear = field(default_factory=Linear)
    gmsk: Gmsk = field(default_factory=Gmsk)
    analog: Analog = field(default_factory=Analog)
    channel: Channel = field(default_factory=Channel)
    noise: Noise = field(default_factory=Noise)
    normalisation_samples: int = parameter(2048, unit="samples", low=1024, high=2048, source=FITTED)


TWIN = Profile()
"""RadioML 2018.01A as far as measurement has revealed it."""


def parameters(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, str, str]]:
    """Yields (dotted name, value, unit, source) of every parameter of a profile."""
    for item in fields(section):
        value = getattr(section, item.name)
        if is_dataclass(value) and isinstance(value, Section):
            yield from parameters(value, f"{prefix}{item.name}.")
        elif "source" in item.metadata:
            yield f"{prefix}{item.name}", value, item.metadata["unit"], item.metadata["source"]
