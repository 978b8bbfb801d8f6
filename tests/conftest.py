"""Shapes and types in signatures are checked while the tests run, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# As many processes as cores run the tests: threads that wait for each other would only take turns.
os.environ.setdefault("OMP_NUM_THREADS", "1")

install_import_hook(["boltmod.signal", "boltmod.nn"], "beartype.beartype")

# A busy machine fails no test by being slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def referees() -> Path:
    """The folder of networks that others trained on the real data; the test is skipped without."""
    folder = SHARED / "referees"
    if not (folder / "bacalhaunet_v1.onnx").exists():
        pytest.skip("no published networks beside the checkout")
    return folder


@pytest.fixture(scope="session")
def real_frames() -> Path:
    """The .npz of genuine BPSK and QPSK frames; the test is skipped without."""
    path = SHARED / "real-frames" / "bpsk_qpsk_30db_1024x2x128.npz"
    if not path.exists():
        pytest.skip("no real frames beside the checkout")
    return path


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of off-the-air recordings; the test is skipped without."""
    folder = SHARED / "recordings"
    if not folder.is_dir():
        pytest.skip("no recordings beside the checkout")
    return folder
