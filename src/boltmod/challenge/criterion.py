"""What a submission is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One rule, and whether a submission keeps it.

    Args:
        name: The rule, in a few words.
        passed: Whether it is kept; None if that could not be found out.
        reason: Why, with figures.
    """

    name: str
    passed: bool | None
    reason: str
