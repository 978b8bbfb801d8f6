"""A band and its bins say the same, both ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boltmod.runtime.cut.band import N_BINS, Band, occupied


@given(first=st.integers(0, N_BINS - 1), width=st.integers(1, N_BINS))
def test_every_band_of_bins_comes_back(first, width):
    bins = (first, first + width)
    assert Band.of_bins(bins).bins == bins


@pytest.mark.parametrize("place", [0, 100, 256, 511])
def test_a_tone_in_the_middle_of_a_bin_is_in_the_middle_of_its_band(place):
    frequency = (place - 256) / N_BINS
    tone = np.exp(2j * np.pi * frequency * np.arange(N_BINS))
    power = np.abs(np.fft.fftshift(np.fft.fft(tone))) ** 2
    assert power.argmax() == place
    band = Band.of_bins((place, place + 1))
    assert (band.centre, band.width) == (frequency, 1 / N_BINS)


@given(a=st.floats(-0.5, 0.5), b=st.floats(-0.5, 0.5), v=st.floats(0.01, 1), w=st.floats(0.01, 1))
def test_overlap_is_what_two_bands_share_or_how_far_they_are_apart(a, b, v, w):
    one, other = Band(a, v), Band(b, w)
    assert one.overlap(other) == pytest.approx(other.overlap(one))
    shared = min(one.upper, other.upper) - max(one.lower, other.lower)
    assert min(one.overlap(other), v, w) == pytest.approx(shared)


def test_what_is_of_one_signal():
    band = Band(0.1, 0.05)
    assert band.is_same(Band(0.11, 0.06))
    assert not band.is_same(Band(0.1, 0.1))
    assert not band.is_same(Band(0.12, 0.05))


def test_99_per_cent_of_the_power_lie_within():
    power = np.ones(1000)
    assert occupied(power) == (5, 995)
    power[300:700] = 1e6
    first, end = occupied(power)
    assert power[first:end].sum() >= 0.99 * power.sum() * (1 - 1e-12)
    assert 300 <= first < end <= 700
