"""The likelihood receiver: a classifier without a network.

What a genie would tell it, it estimates: noise and amplitude from the frame's spectrum, timing from
the clock's line, phase and carrier class by class. Roll-off and symbol rate, the alphabets and the
statistics of the messages it takes from the profile: it is a receiver for that signal model, and
for no other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from boltmod.errors import ConfigError
from boltmod.evaluation.likelihood import carriers, gmsk
from boltmod.evaluation.likelihood.observation import observe
from boltmod.evaluation.likelihood.symbols import LinearClasses
from boltmod.model.metadata import InputScaling
from boltmod.modulation import CLASSES, FRAME_LENGTH, N_CLASSES, Modulation
from boltmod.runtime.framing import scale_planes
from boltmod.signal.profile import TWIN, Profile

_BATCH = 32


class LikelihoodReceiver:
    """Classes of I/Q frames, by their likelihoods.

    Args:
        profile: The signal model.

    Raises:
        ConfigError: The profile has what no likelihood is known for here.
    """

    name = "likelihood"
    classes = CLASSES
    frame_length = FRAME_LENGTH
    trained_on = ""
    engine = "likelihood"

    def __init__(self, profile: Profile = TWIN) -> None:
        shapes = profile.analog
        if profile.channel.impaired or shapes.am_ssb_wc.quadrature or shapes.am_ssb_sc.quadrature:
            raise ConfigError(
                f"profile must be the twin, or one with as clean a channel, not {profile.name}: "
                "no likelihood is known for it"
            )
        self.profile = profile
        self._linear = LinearClasses(profile)

    def logits(self, iq_planes: NDArray[np.float32], *, scale: bool = False) -> NDArray[np.float64]:
        """Log likelihood ratios to noise alone.

        Args:
            iq_planes: Frames, (n, 2, 1024), of unit complex standard deviation.
            scale: Whether they have another one, and are brought there first.

        Returns:
            (n, 24): of equally frequent classes the highest is the most probable.
        """
        if scale:
            iq_planes = scale_planes(iq_planes, InputScaling.UNIT_STD)
        frames = torch.from_numpy(np.ascontiguousarray(iq_planes))
        starts = range(0, len(frames), _BATCH)
        parts = [self._gains(frames[start : start + _BATCH]) for start in starts]
        return np.concatenate(parts) if parts else np.empty((0, N_CLASSES))

    @torch.no_grad()
    def _gains(self, iq_planes: torch.Tensor) -> NDArray[np.float64]:
        seen = observe(iq_planes)
        gains = self._linear.gains(seen) | carriers.gains(seen, self.profile)
        gains[Modulation.GMSK.index] = gmsk.gain(seen, self.profile.gmsk)
        columns = [gains[class_id] for class_id in range(N_CLASSES)]
        return np.asarray(torch.stack(columns, 1).numpy(), np.float64)
