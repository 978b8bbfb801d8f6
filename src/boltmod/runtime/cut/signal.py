"""Signals of a recording: what is known of them, beforehand and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace

from boltmod.errors import ConfigError

Span = tuple[int, int]

_NARROWEST = 1e-6
"""Of the sample rate: filters are as long as what they take out of the band is narrow."""


@dataclass(frozen=True)
class Constraints:
    """What whoever asks knows already; None for what is to be estimated.

    Args:
        offset_hz: Middle of the signal, from the middle of the band (from 0 Hz, if real).
        bandwidth_hz: Its width.
        symbol_rate_hz: Symbols a second.

    Examples:
        >>> import boltmod
        >>> boltmod.Constraints(offset_hz=12.5e3, symbol_rate_hz=9600)
        Constraints(offset_hz=12500.0, bandwidth_hz=None, symbol_rate_hz=9600)
    """

    offset_hz: float | None = None
    bandwidth_hz: float | None = None
    symbol_rate_hz: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether they say where a signal is and how wide."""
        return self.offset_hz is not None and self.bandwidth_hz is not None

    def check(self, rate_hz: float) -> None:
        """Refuse what lies outside a band of that many samples a second.

        Raises:
            ConfigError: The offset, bandwidth or symbol rate does.
        """
        if self.offset_hz is not None and abs(self.offset_hz) > rate_hz / 2:
            raise ConfigError(
                f"offset must lie within half the sample rate, {rate_hz / 2:g} Hz, "
                f"not at {self.offset_hz:g}: count it from the middle of the band"
            )
        for name, value in (("bandwidth", self.bandwidth_hz), ("symbol rate", self.symbol_rate_hz)):
            if value is not None and value > rate_hz:
                raise ConfigError(
                    f"{name} must not be above the sample rate, {rate_hz:g}, not {value:g}: "
                    "lower it"
                )
            if value is not None and value < rate_hz * _NARROWEST:
                raise ConfigError(
                    f"{name} must be at least a millionth of the sample rate, "
                    f"{rate_hz * _NARROWEST:g}, not {value:g}: raise it"
                )


def looks_for_signals(channel: str | None, is_told: bool, has_model: bool) -> bool:
    """Whether the band is searched for signals.

    It is by default for boltmod's own network, which has learned signals that stand alone.

    Args:
        channel: `auto` to look for signals, `none` not to, None to leave it to the others.
        is_told: Whether something is asked for that only signals have.
        has_model: Whether a network was named.
    """
    if channel is None and not is_told and not has_model:
        return True
    return channel == "auto" or is_told


@dataclass(frozen=True)
class BareCarrier:
    """A line that is there all the time and carries nothing: a beacon, a spur, a local oscillator.

    Args:
        offset_hz: Where it is, from the middle of the recording's band.
        snr_db: Its power over the noise beside it.
    """

    offset_hz: float
    snr_db: float


@dataclass(frozen=True)
class Evidence:
    """Why a signal is said to be where it is, and how it is modulated as far as that was measured.

    Args:
        carrier: What told its carrier.
        clock: What told its symbol rate.
        power_share: Share of its box's power that lies in the channel that is cut out of the band;
            None if it was not measured.
        samples_per_symbol: Samples that the network sees of a symbol.
        keying: `on-off`, `amplitude`, `frequency`, or empty if its switching was not seen.
        n_tones: Tones of a frequency keying; 0 without.
        frequency_deviation_hz: Half of the distance of the outermost tones; None without.
        on_share: Share of the time that a keyed carrier is on.
        low_amplitude: Amplitude of the lower of two levels over the higher one's.
        envelope_variation: Deviation of the amplitude over its mean, while it is on.
        is_bare_carrier: Whether nothing changes in it.
        is_clocked: Whether the instants of its switching keep a clock.
        message: What analog message it bears, in words; empty if none is known.
        message_in: What bears it, `amplitude` or `frequency`.
        subcarrier_spacing_hz: Of a multicarrier signal, by its cyclic prefix; None without.
        multicarrier_symbol_rate_hz: Its symbols a second; None without.
    """

    carrier: str = ""
    clock: str = ""
    power_share: float | None = None
    samples_per_symbol: float = 8.0
    keying: str = ""
    n_tones: int = 0
    frequency_deviation_hz: float | None = None
    on_share: float = 1.0
    low_amplitude: float = 1.0
    envelope_variation: float = 0.0
    is_bare_carrier: bool = False
    is_clocked: bool = False
    message: str = ""
    message_in: str = ""
    subcarrier_spacing_hz: float | None = None
    multicarrier_symbol_rate_hz: float | None = None


@dataclass(frozen=True)
class Signal:
    """One signal of a recording.

    Args:
        number: From 1, in the order in which they were found, the stronger first.
        offset_hz: Middle of its band, from the middle of the recording's.
        bandwidth_hz: Width that holds 99 % of its power.
        carrier_hz: Its carrier, from the middle of the recording's band; None if no line of the
            signal, its square or its fourth power tells, so that the middle of its band is taken.
        carrier_order: Which power of the signal has that line: 1, 2 or 4; 0 without.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether it was given or measured; else it follows from the bandwidth.
        snr_db: Power over the noise in its band, while it is on; None if it was not looked for.
        spans: When it is on: (first sample, end) of the recording.
        evidence: What tells all that, and how it is modulated.
    """

    number: int
    offset_hz: float
    bandwidth_hz: float
    carrier_hz: float | None
    carrier_order: int
    symbol_rate_hz: float
    symbol_rate_is_sure: bool
    snr_db: float | None
    spans: tuple[Span, ...]
    evidence: Evidence = Evidence()

    @property
    def middle_hz(self) -> float:
        """Its carrier, or the middle of its band where that is not known, from the recording's."""
        return self.offset_hz if self.carrier_hz is None else self.carrier_hz

    def moved(self, n_samples: int) -> Signal:
        """The same signal, that many samples later."""
        return replace(self, spans=tuple((a + n_samples, b + n_samples) for a, b in self.spans))
