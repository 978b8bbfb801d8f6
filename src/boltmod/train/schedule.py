"""Learning-rate schedules, as functions of the step alone: nothing to save, nothing to restore.

Sources: one cycle: L. Smith, N. Topin, arXiv 1708.07120, with cosine arcs; cosine with restarts:
I. Loshchilov, F. Hutter, "SGDR", ICLR 2017.
"""

from __future__ import annotations

import math

from boltmod.train.settings import Optimisation

_RISE = 0.25
_START = 1 / 25
_END = 1e-4


def learning_rate(phase: Optimisation, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step.

    Args:
        phase: The phase's schedule, peak rate and number of epochs.
        step: The step's number, counted from the phase's first epoch.
        steps_per_epoch: Steps an epoch.
    """
    total = phase.epochs * steps_per_epoch
    if phase.schedule == "constant":
        factor = 1.0
    elif phase.schedule == "cosine":
        factor = _arc(1.0, 0.0, step / total)
    elif phase.schedule == "cosine_restarts":
        period = phase.restart_epochs * steps_per_epoch
        factor = _arc(1.0, 0.0, (step % period) / period)
    else:
        progress = step / max(total - 1, 1)
        if progress < _RISE:
            factor = _arc(_START, 1.0, progress / _RISE)
        else:
            factor = _arc(1.0, _END, (progress - _RISE) / (1 - _RISE))
    return phase.learning_rate * factor


def _arc(start: float, end: float, progress: float) -> float:
    """Return the half cosine from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
