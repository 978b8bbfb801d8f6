"""A network put in evaluation or training mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from torch import nn


@contextmanager
def in_mode(network: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a network in training or evaluation mode, and back in the end, also after an error."""
    was_training = network.training
    network.train(training)
    try:
        yield
    finally:
        network.train(was_training)


def evaluating(network: nn.Module) -> AbstractContextManager[None]:
    """Put a network in evaluation mode, and back in the end."""
    return in_mode(network, training=False)
