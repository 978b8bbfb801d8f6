"""Samples that follow each other without a gap."""

from __future__ import annotations

from dataclasses import dataclass

from boltmod.recording.analytic import Samples


@dataclass(frozen=True)
class Stretch:
    """A part of a recording.

    Args:
        first_sample: Number of its first sample, lost ones counted. If it is not the end of the
            stretch before, what lies between is lost.
        samples: (n,) complex64; empty if nothing has come for a moment.
    """

    first_sample: int
    samples: Samples

    @property
    def end(self) -> int:
        """Number of the sample after its last."""
        return self.first_sample + len(self.samples)
