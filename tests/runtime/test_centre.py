"""Windows made alike to what the network for the field has learned."""

from __future__ import annotations

import numpy as np
import pytest

from boltmod.framing import LARGEST_OFFSET_RAD, centred, filled, mean_frequency
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.verdict import Tally
from boltmod.signal.profile import FIELD


def noise(n: int, offset_rad: float, seed: int = 0) -> np.ndarray:
    """Low-pass noise around a frequency, (n, 1024)."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(n, 1100)) + 1j * rng.normal(size=(n, 1100))
    low = np.apply_along_axis(np.convolve, 1, white, np.hanning(24), "valid")[:, :1024]
    return (low * np.exp(1j * offset_rad * np.arange(1024))).astype(np.complex64)


@pytest.mark.parametrize("offset_rad", [-0.5, -0.2, 0.15, 0.4])
def test_a_window_far_off_comes_to_the_middle(offset_rad: float) -> None:
    windows = noise(4, offset_rad)
    assert mean_frequency(windows) == pytest.approx([offset_rad] * 4, abs=0.03)
    assert mean_frequency(centred(windows)) == pytest.approx([0] * 4, abs=1e-5)
    np.testing.assert_allclose(np.abs(centred(windows)), np.abs(windows), rtol=1e-4)


def test_a_window_near_the_middle_stays_as_it_is() -> None:
    windows = np.concatenate([noise(2, 0.03), noise(1, 0.3)])
    moved = centred(windows)
    assert np.array_equal(moved[:2], windows[:2])
    assert not np.array_equal(moved[2], windows[2])


def test_the_limit_is_what_the_network_learned() -> None:
    assert FIELD.channel.carrier_offset == (-LARGEST_OFFSET_RAD, LARGEST_OFFSET_RAD)


def test_a_short_burst_begins_again() -> None:
    windows = noise(2, 0.0)
    windows[1, :100] = windows[1, 400:] = 0
    full = filled(windows)
    assert np.array_equal(full[0], windows[0])
    assert np.array_equal(full[1, :300], windows[1, 100:400])
    assert np.array_equal(full[1, 300:600], windows[1, 100:400])
    assert np.array_equal(full[1, 900:], windows[1, 100:224])
    assert np.array_equal(filled(np.zeros((1, 8), np.complex64)), np.zeros((1, 8)))


def test_windows_decide_together_and_one_alone_does_not() -> None:
    tally = Tally(("a", "b"))
    for share in (0.4, 0.4, 0.4, 0.999):
        tally.add(["ba"[share > 0.5]], np.array([[share, 1 - share]], np.float32))
    # Three windows lean to b a little, one is sure of a: together a is more probable.
    assert verdict_of(tally) == ("a", pytest.approx(0.55, abs=0.001))
    tally.add(["b"] * 20, np.tile(np.array([0.3, 0.7], np.float32), (20, 1)))
    assert verdict_of(tally)[0] == "b"


def verdict_of(tally: Tally) -> tuple[str | None, float | None]:
    spans = ((0, 1024),)
    signal = Signal(1, 0.0, 1.0, None, 1, 1.0, True, None, spans)
    found = tally.verdict(signal)
    return found.class_name, found.probability


def test_a_tally_is_the_same_however_many_windows_come_at_once() -> None:
    rows = np.random.default_rng(1).dirichlet(np.ones(3), 50).astype(np.float32)
    one_by_one, together = Tally(("a", "b", "c")), Tally(("a", "b", "c"))
    for row in rows:
        one_by_one.add(["a"], row[np.newaxis])
    for part in np.split(rows, [1, 20, 21]):
        together.add(["a"] * len(part), part)
    assert np.array_equal(one_by_one.shares, together.shares)
    assert np.array_equal(one_by_one.log_shares, together.log_shares)
    assert one_by_one.by_class == together.by_class
