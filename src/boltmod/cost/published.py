"""Published results of the challenge: accuracy, cost, where from, and what to know about them.

Accuracies are their authors', on the challenge's test split of RadioML 2018.01A unless remarked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from boltmod.cost.score import BASELINE_BOPS, BASELINE_WEIGHT_BITS

REAL_TEST_SPLIT = "RadioML 2018.01A, official test split"
"""What published accuracies were measured on."""

_ORGANISATION = "github.com/ITU-AI-ML-in-5G-Challenge"
_AARONNET = f"{_ORGANISATION}/ITU-ML5G-PS-007-Aaronica"
_BACALHAU = f"{_ORGANISATION}/ITU-ML5G-PS-007-BacalhauNet"
_AMC = f"{_ORGANISATION}/ITU-ML5G-PS-007-Feedback-Magnitude-Pruning"
_IMPERIAL = f"{_ORGANISATION}/PS-007-ML5G-Hardware-Efficient-Modulation-Classification_Imperial_IPC"
_CHALLENGE = "github.com/Xilinx/brevitas-radioml-challenge-21"
_IMPERIAL_REMARK = (
    "its pre-processing computes moments and cumulants of the frame, multiplications that the "
    "official rules count as free"
)
_AARONNET_REMARK = "of the same repository as AaronNet32++"


@dataclass(frozen=True)
class Result:
    """One network's place.

    Args:
        name: The network, or the team's name for it.
        accuracy: Share of frames classified rightly, 0 to 1.
        score: The challenge's score, as published or as counted here.
        measured_on: The frames that the accuracy was measured on.
        source: Who says so.
        bops: Bit operations, where published.
        weight_bits: Weight bits, where published.
        strict_score: The strict score, where boltmod could count it.
        remarks: What to know before quoting it.
        is_own: A run of one's own, not a published result.
    """

    name: str
    accuracy: float
    score: float
    measured_on: str
    source: str
    bops: int | None = None
    weight_bits: int | None = None
    strict_score: float | None = None
    remarks: str = ""
    is_own: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The result in JSON's types."""
        return asdict(self)


def _published(name: str, accuracy: float, score: float, source: str, **more: Any) -> Result:
    return Result(name, accuracy, score, REAL_TEST_SPLIT, source, **more)


PUBLISHED: tuple[Result, ...] = (
    _published(
        "VGG10 baseline", 0.594657, 1.0, _CHALLENGE,
        bops=BASELINE_BOPS, weight_bits=BASELINE_WEIGHT_BITS, strict_score=1.0,
        remarks="the challenge's baseline, 8 bits",
    ),
    _published(
        "BacalhauNetV1", 0.562410, 0.016211, _BACALHAU,
        bops=19_242_864, weight_bits=10_704, strict_score=0.016211,
        remarks="two unquantised residual sums are 47 % of its bit operations",
    ),
    _published(
        "AaronNet32++", 0.560894, 0.015705, _AARONNET, bops=13_068_840, weight_bits=18_960,
        remarks="its published training script shuffles train and test apart only when both start "
        "at the same SNR: about 80 % of the test frames may have been trained on; the cost files "
        "published with it were counted with every layer as 32-bit float",
    ),
    _published("AaronNet48++", 0.570466, 0.023599, _AARONNET, remarks=_AARONNET_REMARK),
    _published("AaronNet32+", 0.583126, 0.030711, _AARONNET, remarks=_AARONNET_REMARK),
    _published("AaronNet48+", 0.600739, 0.043207, _AARONNET, remarks=_AARONNET_REMARK),
    _published(
        "The A(MC) Team", 0.56254, 0.042467, _AMC, remarks="feedback magnitude pruning"
    ),
    _published(
        "Imperial_IPC1, 8 bits + pruning", 0.6042, 0.378, _IMPERIAL,
        bops=79_588_160, weight_bits=819_328,
        remarks=_IMPERIAL_REMARK,
    ),
    _published(
        "Imperial_IPC1, 6 bits + pruning", 0.5834, 0.144, _IMPERIAL,
        bops=30_614_424, weight_bits=312_204, remarks=_IMPERIAL_REMARK,
    ),
    _published(
        "Imperial_IPC1, lowered", 0.564, 0.1106, _IMPERIAL,
        bops=21_084_790, weight_bits=242_983, remarks=_IMPERIAL_REMARK,
    ),
    _published("RCSL-TCD", 0.563407, 0.1430, "its submission to the challenge"),
)  # fmt: skip
"""Every result known, in no order."""


def ranked(results: tuple[Result, ...]) -> list[Result]:
    """Order results by score, the cheapest first; the more accurate one of equals before."""
    return sorted(results, key=lambda result: (result.score, -result.accuracy))


def pareto_front(results: tuple[Result, ...]) -> list[Result]:
    """Keep the results that no other beats in both accuracy and score, the cheapest first."""
    front: list[Result] = []
    for result in ranked(results):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return front
