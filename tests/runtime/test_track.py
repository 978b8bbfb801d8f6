"""What is known of a signal, from one piece of a recording to the next."""

from dataclasses import replace

import pytest

from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.detection import Detection
from boltmod.runtime.cut.channel.measure import Character, Measured
from boltmod.runtime.cut.channel.symbol_rate import SymbolRate
from boltmod.runtime.cut.signal import Constraints
from boltmod.runtime.cut.track import Tracks

SURE = 1e6


def measured(rate=0.004, prominence=SURE, carrier=0.33, width=0.011, keying="on-off"):
    return Measured(
        Detection(Band(0.33, width), ((0, 100_000),), 25.0),
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
    for prominence in (0.0, SURE, 0.0, SURE):
        assert not track.signal.symbol_rate_is_sure
        tracks.of(replace(faint, line=SymbolRate(0.004, prominence)))
    assert track.signal.symbol_rate_is_sure


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
