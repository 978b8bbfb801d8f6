"""What the networks that come with boltmod are worth: trained on the twin and measured on it.

Twin frames are not the challenge's test frames: these accuracies stand beside the published ones,
never among them.
"""

from __future__ import annotations

from boltmod.cost.published import Result
from boltmod.cost.score import shortfall

_FRAMES = "twin 2, seed 2020, 40 frames a cell"


TRAINED: tuple[Result, ...] = (
    Result(
        "boltnet", 0.5656, 0.002990, _FRAMES, "recipes/boltnet.toml",
        bops=2_175_528, weight_bits=4_092, strict_score=0.003269, is_own=True,
    ),
    Result(
        "boltnet60", 0.5980, 0.011530, _FRAMES, "recipes/boltnet60.toml",
        bops=8_031_460, weight_bits=16_330, strict_score=0.011809, is_own=True,
    ),
    Result(
        "bacalhaunet_v1", 0.4880, 0.015949, _FRAMES, "recipes/bacalhaunet_v1_cpu.toml",
        bops=20_504_448, weight_bits=8_106, strict_score=0.015949, is_own=True,
        remarks=shortfall(0.4880),
    ),
    Result(
        "imperial_ipc1", 0.5531, 0.139960, _FRAMES, "recipes/imperial_ipc1_cpu.toml",
        bops=46_617_560, weight_bits=276_628, strict_score=0.165193, is_own=True,
        remarks=shortfall(0.5531),
    ),
)  # fmt: skip
"""By the name that `boltmod evaluate NAME` and `boltmod cost NAME` know; measured by these two."""

TWIN_CEILING = 0.710
"""The best accuracy possible on twin 2, by `boltmod ceiling --frames-per-cell 64`."""
