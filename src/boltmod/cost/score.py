"""The challenge's score: a network's cost relative to the 8-bit VGG10 baseline.

Source: ITU AI/ML in 5G Challenge 2021, "Lightning-Fast Modulation Classification with
Hardware-Efficient Neural Networks", Xilinx/brevitas-radioml-challenge-21, README, "Evaluation".
"""

from __future__ import annotations

BASELINE_BOPS = 807_699_904
"""Bit operations of one inference of the baseline."""

BASELINE_WEIGHT_BITS = 1_244_936
"""Bits of the baseline's weights."""


MINIMUM_ACCURACY = 0.56
"""Accuracy over all classes and SNRs of the test split that a submission must reach."""


def score(bops: float, weight_bits: float) -> float:
    """Half the share of the baseline's bit operations and half that of its weight bits.

    Args:
        bops: Bit operations of one inference.
        weight_bits: Bits of all weights.

    Returns:
        The score: 1 for the baseline, smaller is better.
    """
    return 0.5 * bops / BASELINE_BOPS + 0.5 * weight_bits / BASELINE_WEIGHT_BITS


def shortfall(accuracy: float) -> str:
    """Return what there is to remark of an accuracy: nothing if it is enough for the challenge."""
    if accuracy >= MINIMUM_ACCURACY:
        return ""
    return f"below the {MINIMUM_ACCURACY:.0%} that the challenge asks for"
