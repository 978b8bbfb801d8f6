"""How much memory `boltmod serve` needs to listen for a day.

    python bench/day.py --hours 24

A stream whose content lasts that long is given to it as fast as it takes it: senders that come
again and senders that are heard once, each on for some seconds, silence in between. Two viewers
look, one that takes what it is sent and one that takes nothing. Each hour of the stream, the memory
of both processes, the one that listens and the one that searches, is looked at; the last line has
it after the first hour and at the end. The history holds 5,000 signals and the details of 500: it
grows until it is full.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from boltmod.model import shipped
from boltmod.recording.analytic import Samples
from boltmod.recording.quantity import parse_rate
from boltmod.recording.raw import SampleFormat
from boltmod.recording.stretch import Stretch
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.event import Event
from boltmod.serve.paced import Paced
from boltmod.serve.station import Station
from boltmod.serve.viewers import Viewers

NOISE = 0.02
N_NOISE = 1 << 18
N_SENDERS = 6
"""That come again and again."""
ON_S, OFF_S = (2.0, 5.0), (0.5, 3.0)
_MORE_S = 60.0
"""Of stream, after the last hour: memory is looked at while it still comes."""
CONSTELLATIONS = ((1, -1), (1, 1j, -1, -1j), (0, 1))


@dataclass(frozen=True)
class Sender:
    """What is on for a while.

    Args:
        centre: Cycles a sample.
        n_symbol: Samples a symbol.
        points: Its constellation.
    """

    centre: float
    n_symbol: int
    points: tuple[complex, ...]

    @staticmethod
    def drawn(rng: np.random.Generator) -> Sender:
        """One anywhere in the band."""
        points = CONSTELLATIONS[rng.integers(len(CONSTELLATIONS))]
        return Sender(rng.uniform(-0.4, 0.4), int(rng.integers(12, 48)), points)

    def burst(self, n: int, rng: np.random.Generator) -> Samples:
        """Its samples, (n,)."""
        symbols = rng.choice(np.array(self.points), -(-n // self.n_symbol))
        pulse = np.hanning(2 * self.n_symbol + 1)[:-1]
        up = np.zeros(len(symbols) * self.n_symbol, np.complex64)
        up[:: self.n_symbol] = symbols
        wave = np.convolve(up, pulse)[:n] * np.exp(2j * np.pi * self.centre * np.arange(n))
        return np.asarray(0.3 * wave, np.complex64)


class Day:
    """A recording that lasts for hours and lies nowhere.

    Args:
        rate_hz: Samples a second.
        hours: How long it lasts.
        seed: Of all that is drawn.
    """

    name, notes, centre_hz, first_sample, n_samples = "bench", (), 100e6, 0, None
    sample_format = SampleFormat.named("cf32")
    started = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, rate_hz: float, hours: float, seed: int = 1) -> None:
        self.rate_hz, self.hours = rate_hz, hours
        self._rng = np.random.default_rng(seed)
        noise = self._rng.standard_normal((N_NOISE, 2), np.float32) * np.float32(NOISE)
        self._noise = noise.view(np.complex64)[:, 0]
        self._senders = [Sender.drawn(self._rng) for _ in range(N_SENDERS)]
        self.n_bursts = 0

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """As `Recording.stretches`."""
        end, n_all = 0, int((self.hours * 3600 + _MORE_S) * self.rate_hz)
        for part in self._parts():
            for first in range(0, len(part), n_samples):
                stretch = Stretch(end, part[first : first + n_samples])
                yield stretch
                end = stretch.end
                if end >= n_all:
                    return

    def _parts(self) -> Iterator[Samples]:
        """Silence and signals in turn, in noise."""
        rng = self._rng
        while True:
            for is_on, (least, most) in ((False, OFF_S), (True, ON_S)):
                n = int(rng.uniform(least, most) * self.rate_hz)
                first = rng.integers(N_NOISE)
                part = np.take(self._noise, np.arange(first, first + n), mode="wrap")
                if is_on:
                    is_known = rng.random() < 0.5
                    known = self._senders[rng.integers(len(self._senders))]
                    sender = known if is_known else Sender.drawn(rng)
                    part += sender.burst(n, rng)
                    self.n_bursts += 1
                yield part


class Looking(threading.Thread):
    """Two viewers: one that takes what it is sent, and one that takes nothing."""

    def __init__(self, viewers: Viewers) -> None:
        super().__init__(daemon=True)
        self._viewers, self.n_taken = viewers, 0
        self.is_there = threading.Event()

    def run(self) -> None:
        """Look until the process ends."""
        asyncio.run(self._look())

    async def _look(self) -> None:
        self._viewers.attach(asyncio.get_running_loop())
        mine, _ = self._viewers.join(), self._viewers.join()
        self.is_there.set()
        while True:
            await mine.get()
            self.n_taken += 1


def memory_mb() -> float:
    """Of this process and those that it began, resident."""
    pids = ["self", *(str(each.pid) for each in multiprocessing.active_children())]
    return sum(_resident_kib(pid) for pid in pids) * 1024 / 1e6


def _resident_kib(pid: str) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def listened(asked: Namespace) -> list[float]:
    """Memory after each hour of the stream, MB."""
    rate_hz = parse_rate(asked.rate)
    day, viewers = Day(rate_hz, asked.hours), Viewers()
    events: dict[str, int] = {}

    def count(event: Event) -> None:
        events[event.event] = events.get(event.event, 0) + 1

    looking = Looking(viewers)
    looking.start()
    looking.is_there.wait()
    stream = Paced(day, clock=lambda: 0.0, sleep=lambda _: None)
    classifier = Classifier(shipped.path_of(shipped.DEFAULT), threads=1)
    station = Station(stream, classifier, viewers, count)
    began, used_mb = time.monotonic(), [memory_mb()]
    station.start()
    while not station.is_over:
        time.sleep(0.2)
        status = station.status()
        if status["sample"] >= len(used_mb) * 3600 * rate_hz:
            used_mb.append(memory_mb())
            print(
                f"hour {len(used_mb) - 1}: {used_mb[-1]:.0f} MB; {day.n_bursts:,} bursts, "
                f"{events.get('start', 0):,} named; {len(station.history()):,} remembered; "
                f"searched {status['search']['share']:.0%}; {time.monotonic() - began:,.0f} s",
                flush=True,
            )
    station.stop()
    if station.failure is not None:
        raise SystemExit(station.failure)
    return used_mb


def main() -> None:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rate", default="8k")
    parser.add_argument("--hours", type=float, default=24)
    used_mb = listened(parser.parse_args())
    if len(used_mb) < 2:
        raise SystemExit("hours must be 1 at least, for memory is looked at each hour")
    print(
        f"{len(used_mb) - 1} hours of stream: memory {used_mb[1]:.0f} MB after 1 hour, "
        f"{used_mb[-1]:.0f} MB after {len(used_mb) - 1}, at most {max(used_mb):.0f}"
    )


if __name__ == "__main__":
    main()
