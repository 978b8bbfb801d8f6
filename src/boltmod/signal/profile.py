"""What a generator profile may set: every parameter with its unit, range and source."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from boltmod.errors import ConfigError
from boltmod.modulation import FRAME_LENGTH

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
        if item.type == "tuple[float, float]" and value[0] > value[1]:
            msg = f"{type(self).__name__}.{item.name} must be (lowest, highest), not {value}"
            raise ConfigError(f"{msg}; swap them")


@dataclass(frozen=True)
class Pulse(Section):
    """The linear classes' pulse, given by its spectrum.

    1 for |f|T < (1−a)/2, then cos^p(π/2·(|f|T − (1−a)/2)/a) up to (1+a)/2: p = 1 is the root
    raised cosine, p = 2 the raised cosine.
    """

    exponent: float = parameter(
        3.0,
        unit="",
        low=0.5,
        high=8,
        source="measured: best of 2 to 4 in each of 40 genuine BPSK frames",
    )
    rolloff: tuple[float, float] = parameter(
        (0.33, 0.50),
        unit="",
        low=0.01,
        high=1,
        source="measured: 0.425 ± 0.038 in 40 genuine BPSK frames, and by 1,024 spectra",
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
    apsk128_radii: tuple[float, float, float, float, float, float] = parameter(
        (1.0, 1.715, 2.118, 2.681, 2.75, 3.819),
        unit="",
        low=0.1,
        high=20,
        source="EN 302 307-2 section 5.4, 128APSK, code rate 135/180",
    )
    oqpsk: Literal["axis", "diagonal"] = choice("axis", source=FITTED)


@dataclass(frozen=True)
class Keying(Section):
    """How simple transmitters key: off in the twin, whose symbols are shaped and independent."""

    rectangular_ask: float = parameter(
        0.0, unit="share of the ASK classes' frames", low=0, high=1, source=ASSUMED
    )
    rectangular_psk: float = parameter(
        0.0, unit="share of the PSK classes' frames", low=0, high=1, source=ASSUMED
    )
    slow: float = parameter(
        0.0, unit="share of the ASK and BPSK frames with rectangular pulses", low=0, high=1,
        source=ASSUMED + ": long pulses, and symbol rates estimated too high",
    )  # fmt: skip
    longest_symbol: float = parameter(
        48.0, unit="times the nominal one", low=1.5, high=64, source=ASSUMED
    )
    periodic: float = parameter(
        0.0, unit="share of the OOK and BPSK frames", low=0, high=1,
        source=ASSUMED + ": preambles and idle patterns",
    )  # fmt: skip
    leaking: float = parameter(
        1.0, unit="share of the OOK frames whose off is no silence", low=0, high=1, source=ASSUMED
    )
    residual: tuple[float, float] = parameter(
        (0.0, 0.0), unit="amplitude of a leaking OOK's off over its on", low=0, high=0.9,
        source=ASSUMED,
    )  # fmt: skip
    pulses: float = parameter(
        0.0, unit="share of the OOK frames with rectangular pulses", low=0, high=1,
        source=ASSUMED + ": pulse width, pulse position, Manchester, in packets",
    )  # fmt: skip
    duty: tuple[float, float] = parameter(
        (0.03, 0.5), unit="share of a packet's time that it is on", low=0.01, high=0.9,
        source=ASSUMED,
    )  # fmt: skip
    pulling: float = parameter(
        0.0, unit="share of the OOK frames with rectangular pulses", low=0, high=1,
        source=ASSUMED + ": an oscillator pulled by its own power stage",
    )  # fmt: skip
    pulled: float = parameter(
        0.25, unit="cycles/sample at most", low=0, high=0.4,
        source=ASSUMED + ": 3 to 15 kHz in a channel of 50 to 100 kHz",
    )  # fmt: skip

    @property
    def varied(self) -> bool:
        """Whether anything is keyed otherwise."""
        shares = (self.rectangular_ask, self.rectangular_psk, self.periodic, *self.residual)
        return any(share > 0 for share in shares)


@dataclass(frozen=True)
class Linear(Section):
    """Pulse and alphabets of ASK, PSK, APSK, QAM and OQPSK."""

    pulse: Pulse = field(default_factory=Pulse)
    constellations: Constellations = field(default_factory=Constellations)
    keying: Keying = field(default_factory=Keying)


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
    """A Gaussian process of unit variance with power between two frequencies only."""

    low: float = parameter(0.0, unit="cycles/sample", low=0, high=0.5, source=ASSUMED)
    high: float = parameter(2e-3, unit="cycles/sample", low=1e-5, high=0.5, source=FITTED)
    tilt_db: float = parameter(0.0, unit="dB/octave", low=-24, high=24, source=ASSUMED)


@dataclass(frozen=True)
class AmplitudeModulation(Section):
    """Double or single sideband: carrier + depth·message + hiss·white noise, on a frequency."""

    message: Message = field(default_factory=Message)
    carrier: float = parameter(1.0, unit="", low=0, high=1, source=MEASURED)
    depth: float = parameter(0.1, unit="", low=0, high=10, source=FITTED)
    hiss: float = parameter(0.0, unit="rms of white noise in it", low=0, high=10, source=FITTED)
    carrier_frequency: float = parameter(
        0.0, unit="cycles/sample", low=0, high=0.5, source=MEASURED
    )
    quadrature: float = parameter(
        0.0,
        unit="of a single sideband's Hilbert transform; 0 leaves both sidebands",
        low=0,
        high=1,
        source=FITTED,
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

    am_ssb_wc: AmplitudeModulation = AmplitudeModulation(Message(high=0.03), depth=0.0, hiss=0.044)
    am_ssb_sc: AmplitudeModulation = AmplitudeModulation(
        Message(high=0.03, tilt_db=-4.5), depth=0.115, hiss=0.03
    )
    am_dsb_wc: AmplitudeModulation = AmplitudeModulation(
        Message(high=2e-3), depth=0.045, carrier_frequency=1 / 32, leak_std=0.03
    )
    am_dsb_sc: AmplitudeModulation = AmplitudeModulation(
        Message(high=2e-3), depth=0.14, carrier_frequency=1 / 32, leak_std=0.05
    )
    fm: FrequencyModulation = FrequencyModulation(Message(high=3e-4))
    on_air: float = parameter(
        0.0, unit="share of the analog frames", low=0, high=1,
        source=ASSUMED + ": a voice, music or a tone as stations send it (`signal.others.voice`)",
    )  # fmt: skip


@dataclass(frozen=True)
class Channel(Section):
    """What happens to the signal between the modulator and the normalisation.

    Everything but the carrier offset's standard deviation is off in the twin.
    """

    carrier_offset_std: float = parameter(
        2.05e-4,
        unit="rad/sample",
        low=0,
        high=1,
        source="measured on 513 genuine BPSK frames: 2.05e-4 ± 3 %, Gaussian",
    )
    carrier_offset: tuple[float, float] = parameter(
        (0.0, 0.0), unit="rad/sample", low=-3.2, high=3.2, source=ASSUMED
    )
    samples_per_symbol: tuple[float, float] = parameter(
        (8.0, 8.0), unit="samples", low=4, high=32, source=MEASURED
    )
    timing_drift: tuple[float, float] = parameter(
        (0.0, 0.0), unit="ppm", low=-2e4, high=2e4, source=ASSUMED
    )
    phase_noise_std: tuple[float, float] = parameter(
        (0.0, 0.0), unit="rad per square root of a sample", low=0, high=1, source=ASSUMED
    )
    n_paths: int = parameter(1, unit="paths, a sample apart", low=1, high=16, source=ASSUMED)
    path_decay: float = parameter(
        3.0, unit="dB a path", low=0, high=60, source="exponential profile, as COST 207's"
    )
    rice_factor_db: tuple[float, float] = parameter(
        (60.0, 60.0), unit="dB; -60 is Rayleigh", low=-60, high=60, source=ASSUMED
    )
    occupied: tuple[float, float] = parameter(
        (1.0, 1.0), unit="share of the frame; 1 or more is all", low=0.05, high=4, source=ASSUMED
    )
    noise_colour: tuple[float, float] = parameter(
        (0.0, 0.0), unit="correlation of neighbouring samples", low=0, high=0.95, source=ASSUMED
    )
    receiver_bandwidth: tuple[float, float] = parameter(
        (1.0, 1.0), unit="cycles/sample, two-sided", low=0.1, high=1, source=ASSUMED
    )
    selection: tuple[float, float] = parameter(
        (100.0, 100.0), unit="symbol rates, two-sided; 100 is no filter", low=1, high=100,
        source=ASSUMED + ": a channel cut out of a band",
    )  # fmt: skip
    iq_gain_db: tuple[float, float] = parameter(
        (0.0, 0.0), unit="dB", low=-6, high=6, source=ASSUMED
    )
    iq_phase: tuple[float, float] = parameter(
        (0.0, 0.0), unit="rad", low=-0.5, high=0.5, source=ASSUMED
    )
    dc_std: float = parameter(0.0, unit="of the rms", low=0, high=1, source=ASSUMED)
    overload_db: tuple[float, float] = parameter(
        (-60.0, -60.0), unit="dB that the strongest sample lies above where I and Q clip; "
        "below 0 nothing clips", low=-60, high=40, source=ASSUMED + ": a receiver driven too hard",
    )  # fmt: skip
    gain_step_db: tuple[float, float] = parameter(
        (0.0, 0.0), unit="dB, once in a frame", low=-40, high=40,
        source=ASSUMED + ": automatic gain control",
    )  # fmt: skip
    impulses: tuple[float, float] = parameter(
        (0.0, 0.0), unit="strong samples a frame", low=-100, high=100,
        source=ASSUMED + ": ignition and switching noise; below 1 there are none",
    )  # fmt: skip
    impulse_db: float = parameter(
        20.0, unit="dB above the frame's mean power", low=-20, high=60, source=ASSUMED
    )
    squelched: tuple[float, float] = parameter(
        (0.0, 0.0), unit="share of the frame at its end that is exactly zero; below 0 is 0",
        low=-10, high=0.9, source=ASSUMED + ": a squelch that closes, a recorder's gap",
    )  # fmt: skip
    gain_db: tuple[float, float] = parameter(
        (0.0, 0.0), unit="dB", low=-60, high=60, source=ASSUMED
    )

    @property
    def impaired(self) -> bool:
        """Whether more happens than a Gaussian carrier offset."""
        clean = Channel(carrier_offset_std=self.carrier_offset_std, path_decay=self.path_decay)
        return self != clean


@dataclass(frozen=True)
class Noise(Section):
    """White complex Gaussian noise, and how a label becomes a true SNR."""

    snr_db_per_label: float = parameter(
        2.0, unit="dB", low=0.1, high=4, source=MEASURED + ": -56 dB at label 30, -39 dB at 18"
    )
    snr_db_at_label_zero: float = parameter(0.8, unit="dB", low=-40, high=40, source=FITTED)


@dataclass(frozen=True)
class Profile(Section):
    """Everything that decides what a class looks like; frozen, hashable, comparable.

    `version` counts the profiles that have borne the name: figures of two are not comparable.

    Examples:
        >>> import boltmod
        >>> boltmod.Profile().title, boltmod.Profile().noise.snr_db_per_label
        ('twin 2', 2.0)
    """

    name: str = "twin"
    version: int = 2
    linear: Linear = field(default_factory=Linear)
    gmsk: Gmsk = field(default_factory=Gmsk)
    analog: Analog = field(default_factory=Analog)
    channel: Channel = field(default_factory=Channel)
    noise: Noise = field(default_factory=Noise)
    normalisation_samples: int = parameter(2048, unit="samples", low=1024, high=2048, source=FITTED)
    framed: bool = False
    """Whether a frame is made alike as `boltmod.framing` does it, before a network sees it."""

    @property
    def title(self) -> str:
        """Name and version, as printed beside every figure."""
        return f"{self.name} {self.version}"

    def parameters(self) -> Iterator[tuple[str, Any, str, str]]:
        """Yields (dotted name, value, unit, source) of every parameter."""
        return parameters(self)

    def __post_init__(self) -> None:
        super().__post_init__()
        outside = self.normalisation_samples - FRAME_LENGTH
        if outside % 128 or (outside and self.channel.impaired):
            msg = (
                f"Profile.normalisation_samples must be {FRAME_LENGTH} plus a multiple of 128, and "
                f"{FRAME_LENGTH} with an impaired channel, not {self.normalisation_samples}; "
                f"set it to {FRAME_LENGTH}"
            )
            raise ConfigError(msg)


TWIN = Profile()
"""RadioML 2018.01A as far as measurement has revealed it."""

_SPEECH = Message(low=1.5e-3, high=0.017, tilt_db=-6.0)
"""300 to 3400 Hz at 200 kHz, falling as the long-term spectrum of speech does (ITU-T P.50)."""

TEXTBOOK = Profile(
    name="textbook",
    version=1,
    linear=Linear(
        Pulse(exponent=1.0, rolloff=(0.1, 0.4), span_symbols=32),
        Constellations(oqpsk="diagonal"),
    ),
    gmsk=Gmsk("gaussian", modulation_index=0.5, bandwidth_time=0.35),
    analog=Analog(
        am_ssb_wc=AmplitudeModulation(_SPEECH, depth=0.7, quadrature=1.0),
        am_ssb_sc=AmplitudeModulation(_SPEECH, carrier=0.0, depth=1.0, quadrature=1.0),
        am_dsb_wc=AmplitudeModulation(_SPEECH, depth=0.5),
        am_dsb_sc=AmplitudeModulation(_SPEECH, carrier=0.0, depth=1.0),
        fm=FrequencyModulation(_SPEECH, deviation=0.0375, carrier_frequency=0.0),
    ),
    channel=Channel(carrier_offset_std=0.0),
    noise=Noise(snr_db_per_label=1.0, snr_db_at_label_zero=0.0),
    normalisation_samples=FRAME_LENGTH,
)
"""Standard definitions: root-raised-cosine pulses, a label that is the true SNR, no channel."""

FIELD = replace(
    TEXTBOOK,
    name="field",
    version=2,
    analog=replace(TEXTBOOK.analog, on_air=0.6),
    framed=True,
    linear=Linear(
        Pulse(exponent=1.0, rolloff=(0.1, 0.9), span_symbols=16),
        Constellations(oqpsk="diagonal"),
        Keying(
            rectangular_ask=0.7,
            rectangular_psk=0.25,
            slow=0.5,
            periodic=0.1,
            residual=(0.0, 0.3),
            pulses=0.6,
            pulling=0.3,
        ),
    ),
    channel=Channel(
        carrier_offset_std=0.0,
        carrier_offset=(-0.1, 0.1),
        samples_per_symbol=(5.0, 12.0),
        timing_drift=(-50.0, 50.0),
        phase_noise_std=(0.0, 0.01),
        n_paths=4,
        path_decay=6.0,
        rice_factor_db=(-10.0, 30.0),
        occupied=(0.25, 2.25),
        noise_colour=(0.0, 0.3),
        receiver_bandwidth=(0.5, 1.0),
        selection=(1.4, 16.0),
        iq_gain_db=(-0.5, 0.5),
        iq_phase=(-0.05, 0.05),
        dc_std=0.02,
        overload_db=(-40.0, 4.0),
        impulses=(-40.0, 4.0),
        gain_db=(-6.0, 6.0),
    ),
)
"""The textbook's classes through a receiver: what a recording may look like."""

PROFILES = {profile.name: profile for profile in (TWIN, TEXTBOOK, FIELD)}
"""Every profile by name."""


def profile_from(name: str, overrides: Mapping[str, Any] | None = None) -> Profile:
    """A named profile with some parameters changed.

    Args:
        name: "twin", "textbook" or "field".
        overrides: Parameters by name, nested as the profile is (`{"channel": {"n_paths": 2}}`)
            or dotted (`{"channel.n_paths": 2}`); one number for a span means no spread.

    Raises:
        ConfigError: No such profile or parameter, or a value out of its range.

    Examples:
        >>> import boltmod
        >>> sharp = boltmod.profile_from("twin", {"linear.pulse.rolloff": [0.2, 0.3]})
        >>> sharp.linear.pulse.rolloff
        (0.2, 0.3)
    """
    if name not in PROFILES:
        msg = f"profile must be {', '.join(PROFILES)}, not {name!r}; choose one of them"
        raise ConfigError(msg)
    profile = PROFILES[name]
    for key, value in (overrides or {}).items():
        profile = _changed(profile, key.split("."), value, key)
    return profile


S = TypeVar("S", bound=Section)


def _changed(section: S, path: Sequence[str], value: Any, where: str) -> S:
    """A copy of `section` with the parameter at `path` set to `value`."""
    known = {item.name for item in fields(section)} - {"name", "version"}
    if path[0] not in known:
        msg = f"profile parameter must be one of {', '.join(sorted(known))}, not {where!r}"
        raise ConfigError(f"{msg}; boltmod.signal.profile.parameters lists them all")
    old = getattr(section, path[0])
    if len(path) > 1 and isinstance(old, Section):
        new: Any = _changed(old, path[1:], value, where)
    elif isinstance(old, Section) and isinstance(value, Mapping):
        new = old
        for key, inner in value.items():
            new = _changed(new, str(key).split("."), inner, f"{where}.{key}")
    elif isinstance(old, str):
        new = _word(section, path[0], value, where)
    else:
        new = _like(old, value, where)
    return replace(section, **{path[0]: new})


def _word(section: Section, name: str, value: Any, where: str) -> str:
    """The value, if it is one of the words that the parameter takes."""
    words = get_args(get_type_hints(type(section))[name])
    if value not in words:
        msg = f"profile parameter {where} must be {' or '.join(words)}, not {value!r}"
        raise ConfigError(f"{msg}; change it in the recipe")
    return str(value)


def _like(old: Any, value: Any, where: str) -> Any:
    """The new value in the old one's type."""
    if isinstance(old, tuple) and _is_number(value):
        return (float(value),) * len(old)
    if isinstance(old, tuple) and isinstance(value, list | tuple) and len(value) == len(old):
        if all(_is_number(v) for v in value):
            return tuple(float(v) for v in value)
    elif isinstance(old, int) and _is_number(value) and float(value).is_integer():
        return int(value)
    elif isinstance(old, float) and _is_number(value):
        return float(value)
    kind = {int: "a whole number", float: "a number"}.get(type(old))
    kind = kind or (f"{len(old)} numbers" if isinstance(old, tuple) else "a table of parameters")
    msg = f"profile parameter {where} must be {kind}, not {value!r}; change it in the recipe"
    raise ConfigError(msg)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameters(section: Section, prefix: str = "") -> Iterator[tuple[str, Any, str, str]]:
    """Yields (dotted name, value, unit, source) of every parameter of a profile."""
    for item in fields(section):
        value = getattr(section, item.name)
        if isinstance(value, Section):
            yield from parameters(value, f"{prefix}{item.name}.")
        elif "source" in item.metadata:
            yield f"{prefix}{item.name}", value, item.metadata["unit"], item.metadata["source"]
