"""Samples of a receiver that SoapySDR knows: RTL-SDR, Airspy, HackRF, LimeSDR, USRP, PlutoSDR.

Source: SoapySDR 0.8, `Device.hpp`, `Errors.h` and its Python binding, which comes with the system's
packages (`python3-soapysdr`), not from PyPI.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from boltmod.errors import ConfigError, SourceError, ToolNotFoundError

_CHANNEL = 0
_AT_ONCE = 1 << 15
_RATE_TOLERANCE = 1e-4
"""Share that a device's rate may be off by before it is said."""


@dataclass(frozen=True)
class Tuning:
    """What the receiver is told.

    Args:
        rate_hz: Samples a second.
        frequency_hz: Middle of the band; what the device has if None.
        gain_db: Gain; the device's own choice if None.
    """

    rate_hz: float
    frequency_hz: float | None = None
    gain_db: float | None = None


class Soapy:
    """A receiver whose samples are cf32.

    Args:
        arguments: Which one, as SoapySDR writes it: `driver=rtlsdr,serial=00000001`.
        tuning: What it is told.

    Raises:
        ConfigError: The arguments are no pairs.
        SourceError: There is no such receiver, or it does not do what it is told.
        ToolNotFoundError: SoapySDR is not installed.
    """

    def __init__(self, arguments: str, tuning: Tuning) -> None:
        pairs = _pairs(arguments)
        self._soapy = soapy = _import_soapy()
        self.name = f"soapy://{arguments}"
        self.state = "the receiver is silent"
        self.n_overflows = 0
        self._stream: Any = None
        self._samples = np.empty(_AT_ONCE, np.complex64)
        try:
            self._device = soapy.Device(pairs)
            self._tune(tuning)
            self._stream = self._device.setupStream(soapy.SOAPY_SDR_RX, soapy.SOAPY_SDR_CF32)
            if self._stream is None:
                raise RuntimeError("it has no stream of samples")
            status = self._device.activateStream(self._stream)
            if status:
                raise RuntimeError(soapy.errToStr(status))
            rate_hz = float(self._device.getSampleRate(soapy.SOAPY_SDR_RX, _CHANNEL))
        except (RuntimeError, ValueError) as error:
            self.close()
            raise SourceError(
                f"{self.name} must be a receiver that is there, and is not ({error}): "
                "ask SoapySDRUtil --find"
            ) from None
        self.about = f"receiver {self._device.getHardwareKey()}"
        if abs(rate_hz / tuning.rate_hz - 1) > _RATE_TOLERANCE:
            self.about += f"; it has {rate_hz:g} samples a second, not {tuning.rate_hz:g}"

    def _tune(self, tuning: Tuning) -> None:
        device, receive = self._device, self._soapy.SOAPY_SDR_RX
        device.setSampleRate(receive, _CHANNEL, tuning.rate_hz)
        if tuning.frequency_hz is not None:
            device.setFrequency(receive, _CHANNEL, tuning.frequency_hz)
        if tuning.gain_db is not None:
            device.setGain(receive, _CHANNEL, tuning.gain_db)
        elif device.hasGainMode(receive, _CHANNEL):
            device.setGainMode(receive, _CHANNEL, True)

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`; a receiver that fails is one that ends."""
        soapy = self._soapy
        result = self._device.readStream(
            self._stream, [self._samples], len(self._samples), timeoutUs=int(timeout_s * 1e6)
        )
        if result.ret > 0:
            return self._samples[: result.ret].tobytes()
        if result.ret == soapy.SOAPY_SDR_OVERFLOW:
            self.n_overflows += 1
            self.state = f"samples were lost {self.n_overflows:,} times before they came here"
            return None
        if result.ret in (0, soapy.SOAPY_SDR_TIMEOUT):
            return None
        self.state = f"the receiver failed: {soapy.errToStr(result.ret)}"
        return b""

    def close(self) -> None:
        """Let go of the receiver."""
        if self._stream is not None:
            self._device.deactivateStream(self._stream)
            self._device.closeStream(self._stream)
            self._stream = None


def _pairs(arguments: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in arguments.split(",") if each]
    if not pairs or not all(name and equals for name, equals, _ in pairs):
        raise ConfigError(
            f"address must be such as soapy://driver=rtlsdr, not 'soapy://{arguments}': write it so"
        )
    return {name.strip(): value for name, _, value in pairs}


def _import_soapy() -> ModuleType:
    try:
        import SoapySDR
    except ModuleNotFoundError:
        raise ToolNotFoundError(
            "SoapySDR must be installed to hear its receivers, and is not: install your system's "
            "python3-soapysdr, and make the environment with --system-site-packages"
        ) from None
    module: ModuleType = SoapySDR
    return module
