"""Shapes and types in signatures are checked while the tests run, and only then."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from torch import nn

    from boltmod.nn.network_config import NetworkConfig

# As many processes as cores run the tests: threads that wait for each other would only take turns.
os.environ.setdefault("OMP_NUM_THREADS", "1")

install_import_hook(["boltmod.signal", "boltmod.nn"], "beartype.beartype")

# A busy machine fails no test by being slow.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _operators_are_read_once() -> Iterator[None]:
    """Of an export's three seconds, one goes into the source of torch.onnx's 500 operators."""
    with pytest.MonkeyPatch.context() as patch:
        if "boltmod.export.qonnx" in sys.modules:
            from torch.onnx._internal.exporter._registration import onnxscript_apis

            patch.setattr(
                onnxscript_apis, "get_torchlib_ops", cache(onnxscript_apis.get_torchlib_ops)
            )
        yield


@pytest.fixture(scope="module")
def uncounted() -> Iterator[None]:
    """Phases of runs that are not about cost: exporting a network to count it takes longest."""
    from boltmod.compress import prune
    from boltmod.cost.inference_cost import Cost

    def by_weights(network: nn.Module, config: NetworkConfig) -> Cost:
        n = sum(int(weight.count_nonzero()) for weight in prune.prunable(network).values())
        return Cost("uncounted", n, n, n, n / 1e6, None, (), (), (), {})

    with pytest.MonkeyPatch.context() as patch:
        for room in ("stages", "phase.lower"):
            patch.setattr(f"boltmod.pipeline.{room}.network_cost", by_weights)
        yield


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
