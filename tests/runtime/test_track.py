"""What is known of a signal, from one piece of a recording to the next."""

import numpy as np
import pytest

from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.measure import Character, Measured, measure
from boltmod.runtime.cut.channel.symbol_rate import SymbolRate
from boltmod.runtime.cut.signal import Constraints
from boltmod.runtime.cut.track import Tracks

SURE = 1e6


def measured(
    rate=0.004, prominence=SURE, carrier=0.33, width=0.011, keying="on-off", first=0, centre=0.33
):
    return Measured(
        Detection(Band(centre, width), ((first, first + 100_000),), 25.0),
        carrier=carrier,
        carrier_order=1,
        line=SymbolRate(rate, prominence),
        power=1.0,
        character=Character(keying=keying, is_sure=bool(keying)),
    )


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({"width": 0.031}, True),
        ({"width": 0.031, "carrier": 0.330004}, True),
        ({"width": 0.031, "carrier": 0.3302}, False),
        ({"width": 0.031, "rate": 0.0045}, False),
        ({"width": 0.031, "prominence": 0.0}, True),
        ({"width": 0.031, "prominence": 0.0, "carrier": 0.3302}, False),
        ({"width": 0.031, "centre": 0.344}, True),
        ({"width": 0.031, "centre": 0.344, "prominence": 0.0}, False),
        ({"width": 0.031, "centre": 0.36}, False),
    ],
)
def test_one_clock_at_one_carrier_is_one_signal(changed, is_same):
    """However wide its band was found, at the same time too."""
    tracks = Tracks(Constraints())
    first = tracks.of(measured())
    assert (tracks.of(measured(**changed)) is first) == is_same


def test_a_clock_that_is_seen_once_in_a_voice():
    tracks = Tracks(Constraints())
    voice = measured(prominence=0.0, keying="")
    track = tracks.of(voice)
    tracks.of(voice)
    tracks.of(measured(rate=0.003, keying=""))
    assert not track.signal.symbol_rate_is_sure
    tracks.of(measured(rate=0.0037, keying=""))
    assert not track.signal.symbol_rate_is_sure


def test_a_clock_that_is_seen_twice():
    tracks = Tracks(Constraints())
    faint = measured(prominence=0.0)
    track = tracks.of(faint)
    for prominence, first in ((0.0, 0), (SURE, 100_000), (0.0, 200_000), (SURE, 180_000)):
        assert not track.signal.symbol_rate_is_sure
        tracks.of(measured(prominence=prominence, keying="", first=first))
    assert track.signal.symbol_rate_is_sure


@pytest.mark.parametrize(
    ("first", "repeats_after", "is_sure"),
    [
        (60_000, None, False),
        (80_000, None, True),
        (2_010_000, None, True),
        (2_010_000, 500_000, False),
        (1_910_000, 500_000, True),
        (1_910_000, 100_000, False),
    ],
)
def test_a_clock_seen_again_in_samples_that_are_the_same(first, repeats_after, is_sure):
    """Of pieces that overlap, or of a recording that is played again, it is one sighting."""
    tracks = Tracks(Constraints())
    tracks.repeats_after = repeats_after
    track = tracks.of(measured(prominence=0.0, keying=""))
    tracks.of(measured(prominence=0.0, keying=""))
    tracks.of(measured(keying=""))
    tracks.of(measured(keying="", first=first))
    assert track.signal.symbol_rate_is_sure == is_sure


@pytest.mark.parametrize("is_played_again", [True, False])
def test_a_voice_played_again_in_which_one_part_shows_a_clock(is_played_again):
    """Amplitude modulation by noise but for one piece of five, where it is by symbols."""
    rng = np.random.default_rng(3)
    n, band = 1 << 14, Band(0.1, 0.06)
    spectrum = np.fft.rfft(rng.standard_normal(5 * n))
    spectrum *= np.exp(-((np.fft.rfftfreq(5 * n) / 0.012) ** 2))
    message = np.fft.irfft(spectrum)
    message[3 * n : 4 * n] = np.repeat(rng.choice([-1.0, 1.0], n // 32), 32) * message.std()
    wave = (1 + message / message.std() / 3) * np.exp(2j * np.pi * 0.1 * np.arange(5 * n))
    noise = rng.standard_normal((5 * n, 2)) @ np.array([1, 1j]) * 0.02
    samples = (wave + noise).astype(np.complex64).reshape(5, n)
    tracks = Tracks(Constraints())
    tracks.repeats_after = 5 * n if is_played_again else None
    for start in range(0, 10 * n, n):
        found = Detection(band, ((start, start + n),), 25.0)
        seen = measure(samples[start // n % 5], start, found)
        assert (seen.line is not None and seen.line.is_sure) == (start // n % 5 == 3)
        track = tracks.of(seen)
    assert track.signal.symbol_rate_is_sure != is_played_again


def test_a_clock_that_the_second_piece_shows_is_taken_at_once():
    tracks = Tracks(Constraints())
    track = tracks.of(measured(prominence=0.0))
    tracks.of(measured())
    assert track.signal.symbol_rate_is_sure


@pytest.mark.parametrize(
    ("longest", "keying", "samples_a_symbol"),
    [
        (100_000, "on-off", 8),
        (5_000, "on-off", 16),
        (2_500, "on-off", 32),
        (100, "on-off", 64),
        (2_500, "", 8),
        (2_500, "amplitude", 8),
    ],
)
def test_a_keyed_carrier_s_short_packet_is_cut_in_more_samples(longest, keying, samples_a_symbol):
    track = Tracks(Constraints()).of(measured(keying=keying))
    track.longest = longest
    assert track.channel.samples_out == pytest.approx(samples_a_symbol * 0.004)
