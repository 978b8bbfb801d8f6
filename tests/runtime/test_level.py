"""Unit deviation: the kernel and numpy say the same, to the bit, in every width of vectors."""

import numpy as np
import pytest

from boltmod.model.metadata import InputScaling
from boltmod.native import library
from boltmod.native.compiling import LEVEL
from boltmod.runtime import framing
from boltmod.runtime.label import Label
from boltmod.runtime.labels import Labels
from boltmod.runtime.window import Windows


def windows_of(length: int) -> np.ndarray:
    """Noise beside a constant, at levels far apart; one window constant, one zero."""
    rng = np.random.default_rng(length)
    noise = rng.standard_normal((20, length)) + 1j * rng.standard_normal((20, length))
    levels = 10.0 ** rng.uniform(-6, 6, (20, 1))
    windows = ((noise + rng.uniform(-9, 9, (20, 1))) * levels).astype(np.complex64)
    windows[3], windows[17] = 2.1 - 0.7j, 0
    return windows


@pytest.mark.parametrize("scaling", list(InputScaling))
@pytest.mark.parametrize("length", [1, 15, 17, 128, 1000, 1024])
def test_kernel_and_numpy_agree_to_the_bit(length, scaling, monkeypatch):
    windows = windows_of(length)
    monkeypatch.setattr(framing, "_kernel", lambda: None)
    wanted, is_constant = framing.scale(windows, scaling)
    assert np.flatnonzero(is_constant).tolist() == ([3, 17] if length > 1 else list(range(20)))
    np.testing.assert_array_equal(wanted[3], np.stack([windows[3].real, windows[3].imag]))
    for width in library.load(LEVEL).widths:
        kernel = library.load(LEVEL).function("level", width)
        monkeypatch.setattr(framing, "_kernel", lambda kernel=kernel: kernel)
        found, found_constant = framing.scale(windows, scaling)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(found_constant, is_constant)
        planes = np.stack([windows.real, windows.imag], axis=1)
        np.testing.assert_array_equal(framing.scale_planes(planes, scaling), wanted)
        np.testing.assert_array_equal(planes[:, 0], windows.real)


def test_what_is_scaled_has_unit_deviation():
    planes, _ = framing.scale(windows_of(1024), InputScaling.UNIT_STD)
    deviation = np.sqrt(planes.astype(np.float64).var(axis=2).sum(axis=1))
    np.testing.assert_allclose(np.delete(deviation, [3, 17]), 1, rtol=1e-6)


def test_windows_that_do_not_lie_next_to_each_other():
    wide = windows_of(2048)
    found, _ = framing.scale(wide[::2, 512:1536], InputScaling.UNIT_STD)
    wanted, _ = framing.scale(wide[::2, 512:1536].copy(), InputScaling.UNIT_STD)
    np.testing.assert_array_equal(found, wanted)


def test_columns_of_labels_are_the_labels():
    windows = Windows(np.ones((3, 8), np.complex64), range(0, 24, 8), 8, 4.0, n_dropped=2)
    shares = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]], np.float32)
    labels = Labels(windows, ("BPSK", "QPSK"), shares, np.array([False, True, False]))
    assert len(labels) == 3
    assert list(labels) == [
        Label(0, 8, 0.0, "BPSK", 0.75, n_dropped=2),
        Label(8, 8, 2.0, None, None, n_dropped=2),
        Label(16, 8, 4.0, "QPSK", 1.0, n_dropped=2),
    ]
    assert labels[-1] == list(labels)[2]
    assert labels[1:] == list(labels)[1:]
    assert labels[1].shares is None
    np.testing.assert_array_equal(labels[2].shares, [0.0, 1.0])
    for name in Label.__dataclass_fields__:
        if name != "shares":
            assert list(labels.column(name)) == [getattr(each, name) for each in labels]
