"""Samples of an RTL-SDR receiver on another computer, by its program rtl_tcp.

Source: librtlsdr, `rtl_tcp.c` (header of 12 bytes, commands of 5, all big-endian) and
`librtlsdr.c`, `rtlsdr_set_sample_rate` (the rates that the chip's resampler reaches).
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass

from boltmod.errors import ConfigError, SourceError

_MAGIC = b"RTL0"
_HEADER_BYTES = 12
_PATIENCE_S = 5.0
_MOST_BYTES = 1 << 18
_TUNERS = ("unknown tuner", "E4000", "FC0012", "FC0013", "FC2580", "R820T", "R828D")
_SET_FREQUENCY, _SET_RATE, _SET_GAIN_MODE, _SET_GAIN = 1, 2, 3, 4


@dataclass(frozen=True)
class Tuning:
    """What the receiver is told.

    Args:
        rate_hz: Samples a second.
        frequency_hz: Middle of the band; what the server has if None.
        gain_db: Gain of the tuner; the tuner's own choice if None.
    """

    rate_hz: float
    frequency_hz: float | None = None
    gain_db: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("rate", self.rate_hz), ("frequency", self.frequency_hz)):
            if value is not None and value >= 2**32:
                raise ConfigError(
                    f"{name} must be below 4.29 GHz for rtl_tcp, not {value:g}: lower it"
                )
        if self.gain_db is not None and not 0 <= self.gain_db <= 100:
            raise ConfigError(
                f"gain must be between 0 and 100 dB, not {self.gain_db:g}: "
                "tuners have up to about 50"
            )

    @property
    def is_reached_exactly(self) -> bool:
        """Whether an RTL2832U has this rate; rtl_tcp keeps silent about those it has not."""
        return 225e3 < self.rate_hz <= 300e3 or 900e3 < self.rate_hz <= 3.2e6

    def commands(self) -> bytes:
        """The commands, in the order in which rtl_tcp's own options are carried out."""
        pairs = [(_SET_RATE, self.rate_hz)]
        if self.frequency_hz is not None:
            pairs.append((_SET_FREQUENCY, self.frequency_hz))
        pairs.append((_SET_GAIN_MODE, 0 if self.gain_db is None else 1))
        if self.gain_db is not None:
            pairs.append((_SET_GAIN, 10 * self.gain_db))
        return b"".join(struct.pack(">BI", command, round(value)) for command, value in pairs)


class RtlTcp:
    """A connection to rtl_tcp, whose samples are cu8.

    Args:
        host: Name or address of the computer.
        port: Its port.
        tuning: What the receiver is told.

    Raises:
        SourceError: Nobody listens there, or it is no rtl_tcp.
    """

    def __init__(self, host: str, port: int, tuning: Tuning) -> None:
        self.name = f"rtl_tcp://{host}:{port}"
        self.state = "the receiver is silent"
        try:
            self._socket = socket.create_connection((host, port), _PATIENCE_S)
        except OSError as error:
            raise SourceError(
                f"{self.name} must be reachable, and is not ({error.strerror or error}): "
                f"start rtl_tcp -a {host} -p {port} there"
            ) from None
        try:
            self.tuner, self.n_gains = self._read_header()
            self._socket.sendall(tuning.commands())
        except BaseException:
            self._socket.close()
            raise
        self.about = f"tuner {self.tuner}"
        if not tuning.is_reached_exactly:
            self.about += (
                f"; {tuning.rate_hz:g} samples a second are not among what an RTL2832U has, "
                "225001 to 300000 and 900001 to 3200000: the server may keep another rate"
            )

    def _read_header(self) -> tuple[str, int]:
        header = b""
        try:
            while len(header) < _HEADER_BYTES:
                part = self._socket.recv(_HEADER_BYTES - len(header))
                if not part:
                    break
                header += part
        except OSError:
            pass  # what has come is looked at below
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
            raise SourceError(
                f"{self.name} must be rtl_tcp, which says {_MAGIC!r} first, not {header!r}: "
                "check the port; another program may be connected, for rtl_tcp serves one at a time"
            )
        tuner, n_gains = struct.unpack(">II", header[len(_MAGIC) :])
        return _TUNERS[tuner] if tuner < len(_TUNERS) else _TUNERS[0], n_gains

    def read(self, timeout_s: float) -> bytes | None:
        """As `ByteSource.read`; a connection that breaks is one that ends."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return None
        try:
            content = self._socket.recv(_MOST_BYTES)
        except OSError:
            content = b""
        if not content:
            self.state = "the server closed the connection"
        return content

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
