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
        "boltnet", 0.5688, 0.004334, _FRAMES, "recipes/boltnet.toml",
        bops=3_147_940, weight_bits=5_940, strict_score=0.004613, is_own=True,
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
)  # fmt: skip
"""By the name that `boltmod evaluate NAME` and `boltmod cost NAME` know; measured by these two."""

TWIN_CEILING = 0.710
"""The best accuracy possible on twin 2, by `boltmod ceiling --frames-per-cell 64`."""
