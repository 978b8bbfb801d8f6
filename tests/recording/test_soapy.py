"""Receivers by SoapySDR: what they are told, what comes of them, and how they fail."""

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from boltmod.errors import BoltmodError, ConfigError, SourceError, ToolNotFoundError
from boltmod.recording.live.address import StreamFacts, open_stream
from boltmod.recording.live.buffer import Overload
from boltmod.recording.live.soapy import Soapy, Tuning

TIMEOUT, STREAM_ERROR, OVERFLOW = -1, -2, -4


@dataclass
class Result:
    ret: int


@dataclass
class Device:
    """A receiver as SoapySDR's binding shows one."""

    arguments: dict[str, str]
    answers: list[int] = field(
        default_factory=lambda: [4096, TIMEOUT, OVERFLOW, 4096, STREAM_ERROR]
    )
    told: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.arguments["driver"] == "missing":
            raise RuntimeError("no match")

    def setSampleRate(self, direction: int, channel: int, rate_hz: float) -> None:
        self.rate_hz = rate_hz if rate_hz < 3e6 else 2.4e6

    def getSampleRate(self, direction: int, channel: int) -> float:
        return self.rate_hz

    def setFrequency(self, direction: int, channel: int, frequency_hz: float) -> None:
        self.told.append(("frequency", frequency_hz))

    def setGain(self, direction: int, channel: int, gain_db: float) -> None:
        self.told.append(("gain", gain_db))

    def hasGainMode(self, direction: int, channel: int) -> bool:
        return True

    def setGainMode(self, direction: int, channel: int, is_automatic: bool) -> None:
        self.told.append(("automatic", is_automatic))

    def setupStream(self, direction: int, sample_format: str) -> str | None:
        return None if self.arguments["driver"] == "null" else "stream"

    def activateStream(self, stream: str) -> int:
        return 0

    def readStream(self, stream: str, into: list[Any], n: int, timeoutUs: int) -> Result:
        answer = self.answers.pop(0)
        if answer > 0:
            into[0][:answer] = np.arange(answer) / 4096
        return Result(answer)

    def deactivateStream(self, stream: str) -> None:
        self.told.append("deactivated")

    def closeStream(self, stream: str) -> None:
        self.told.append("closed")

    def getHardwareKey(self) -> str:
        return "R820T"


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """Receivers that were opened."""
    opened: list[Device] = []

    def made(arguments: dict[str, str]) -> Device:
        opened.append(Device(arguments))
        return opened[-1]

    module: Any = ModuleType("SoapySDR")
    module.Device = made
    module.SOAPY_SDR_RX, module.SOAPY_SDR_CF32 = 1, "CF32"
    module.SOAPY_SDR_TIMEOUT, module.SOAPY_SDR_OVERFLOW = TIMEOUT, OVERFLOW
    module.errToStr = lambda code: {STREAM_ERROR: "STREAM_ERROR"}[code]
    monkeypatch.setitem(sys.modules, "SoapySDR", module)
    return opened


def test_a_receiver_is_told_and_its_samples_come(devices: list[Device]) -> None:
    facts = StreamFacts(rate_hz=1e6, frequency_hz=433.92e6, gain_db=30.0)
    live = open_stream("soapy://driver=rtlsdr,serial=1", facts, Overload(lossless=True))
    with live:
        samples = np.concatenate([each.samples for each in live.stretches(1 << 16)])
    (device,) = devices
    assert device.arguments == {"driver": "rtlsdr", "serial": "1"}
    assert device.told == [("frequency", 433.92e6), ("gain", 30.0), "deactivated", "closed"]
    np.testing.assert_array_equal(samples, np.tile(np.arange(4096) / 4096, 2).astype(np.complex64))
    assert live.notes == ("soapy://driver=rtlsdr,serial=1: receiver R820T",)
    assert live.source.state == "the receiver failed: STREAM_ERROR"


def test_a_receiver_chooses_its_gain_and_says_its_rate(devices: list[Device]) -> None:
    source = Soapy("driver=rtlsdr", Tuning(10e6))
    assert devices[0].told == [("automatic", True)]
    assert source.about == "receiver R820T; it has 2.4e+06 samples a second, not 1e+07"
    assert len(source.read(0.1) or b"") == 8 * 4096
    assert source.read(0.1) is None
    assert source.read(0.1) is None
    assert source.state == "samples were lost 1 times before they came here"


@pytest.mark.parametrize(
    ("address", "facts", "kind", "message"),
    [
        ("soapy://driver=missing", {"rate_hz": 1e6}, SourceError,
         "soapy://driver=missing must be a receiver that is there, and is not (no match): "
         "ask SoapySDRUtil --find"),
        ("soapy://driver=null", {"rate_hz": 1e6}, SourceError,
         "soapy://driver=null must be a receiver that is there, and is not "
         "(it has no stream of samples): ask SoapySDRUtil --find"),
        ("soapy://rtlsdr", {"rate_hz": 1e6}, ConfigError,
         "address must be such as soapy://driver=rtlsdr, not 'soapy://rtlsdr': write it so"),
        ("soapy://driver=rtlsdr", {}, ConfigError, "rate must be given for soapy: add --rate 2.4M"),
        ("soapy://driver=rtlsdr", {"rate_hz": 1e6, "sample_format": "cu8"}, ConfigError,
         "sample format of soapy must be cf32, not cu8: leave --format out"),
    ],
)  # fmt: skip
def test_what_is_no_receiver_is_said(
    devices: list[Device], address: str, facts: dict[str, Any], kind: type, message: str
) -> None:
    with pytest.raises(BoltmodError) as raised:
        open_stream(address, StreamFacts(**facts), Overload())
    assert type(raised.value) is kind
    assert str(raised.value) == message


def test_without_soapysdr_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SoapySDR", None)
    with pytest.raises(ToolNotFoundError) as raised:
        Soapy("driver=rtlsdr", Tuning(1e6))
    assert str(raised.value) == (
        "SoapySDR must be installed to hear its receivers, and is not: install your system's "
        "python3-soapysdr, and make the environment with --system-site-packages"
    )
