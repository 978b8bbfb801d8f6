"""How long after a window's last sample its label is on the screen of `boltmod serve`.

    python bench/serve.py --rate 2.4M --seconds 60

Four keyed signals come at that rate from a live source, which drops what is not taken in time. The
page is open in headless Chromium, through Debian's chromedriver. A label counts as shown one frame
after the one that drew it. Printed: the share of samples dropped, the processor time, the same
delay up to where the server has the label, and, as the last line, half of the labels' delay, the
99 % of them, and the longest.
"""

from __future__ import annotations

import os
import resource
import shutil
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from selenium import webdriver

from boltmod.model import shipped
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.quantity import parse_rate
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.session import Classifier
from boltmod.serve.app import application
from boltmod.serve.appearance import Row
from boltmod.serve.server import Place, Server
from boltmod.serve.station import Station
from boltmod.serve.viewers import Viewers

N_PERIOD = 1 << 22
QPSK, BPSK = (1, 1j, -1, -1j), (1, -1)
SIGNALS = (
    (1 / 64, -0.31, QPSK), (1 / 96, -0.1, BPSK), (1 / 48, 0.12, QPSK), (1 / 200, 0.33, BPSK),
)  # fmt: skip
"""Symbols a sample, centre in cycles a sample, constellation."""
AMPLITUDE = 0.2
NOISE = 0.02
WATCH = """
window.shown = [];
const last = new Map();
const Plain = WebSocket;
window.WebSocket = class extends Plain {
  constructor(...all) {
    super(...all);
    this.addEventListener("message", ({ data }) => {
      if (typeof data !== "string" || !data.startsWith('{"type":"signals"')) return;
      // A row that changes otherwise brings the label that is there already.
      const isNew = (row) => row.label_end_sample > (last.get(row.id) ?? 0);
      const rows = JSON.parse(data).rows.filter(isNew);
      const ends = rows.map((row) => row.label_end_sample);
      for (const row of rows) last.set(row.id, row.label_end_sample);
      // The page draws in the next frame; in the one after that it can be seen.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        const now = performance.timeOrigin + performance.now();
        for (const end of ends) window.shown.push([end, now]);
      }));
    });
  }
};
"""


def band(seed: int = 1) -> NDArray[np.int16]:
    """The signals and noise, I and Q in turn; its end goes over into its beginning."""
    rng = np.random.default_rng(seed)
    total = rng.standard_normal((N_PERIOD, 2)) @ np.array([NOISE, 1j * NOISE])
    for symbol_rate, centre, points in SIGNALS:
        n = round(1 / symbol_rate)
        up = np.zeros(N_PERIOD, np.complex128)
        up[: N_PERIOD // n * n : n] = rng.choice(np.array(points), N_PERIOD // n)
        pulse = np.zeros(N_PERIOD)
        pulse[: 2 * n] = np.hanning(2 * n + 1)[:-1]
        wave = np.fft.ifft(np.fft.fft(up) * np.fft.fft(pulse))
        turns = round(centre * N_PERIOD)
        total += AMPLITUDE * wave * np.exp(2j * np.pi * turns * np.arange(N_PERIOD) / N_PERIOD)
    planes = np.stack([total.real, total.imag], axis=1) * 32767
    return np.asarray(np.clip(planes, -32768, 32767), np.int16)


class Receiver:
    """Samples that come at their rate, whether they are taken or not."""

    name = "bench"
    about = ""
    state = "it sends all the time"

    def __init__(self, rate_hz: float) -> None:
        self._content = band().tobytes()
        self._rate_hz = rate_hz
        self._n_given = 0
        self.began: float | None = None

    def read(self, timeout_s: float) -> bytes | None:
        """What has come since; a receiver's buffer of 10 ms at least."""
        now = time.time()
        if self.began is None:
            self.began = now
        due = int((now - self.began) * self._rate_hz)
        if due - self._n_given < 0.01 * self._rate_hz:
            time.sleep(0.01)
            due = int((time.time() - self.began) * self._rate_hz)
        n = min(due - self._n_given, N_PERIOD // 2)
        start = 4 * (self._n_given % N_PERIOD)
        piece = self._content[start : start + 4 * n]
        self._n_given += len(piece) // 4
        return piece or None

    def close(self) -> None:
        """Nothing to let go of."""


class Noting(Viewers):
    """Viewers, and when they were told of each labelled window: its end, and ms since 1970."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, float]] = []
        self._last: dict[int, int] = {}

    def signals(self, rows: Sequence[Row]) -> None:
        """As `Viewers.signals`."""
        now = 1e3 * time.time()
        for row in rows:
            end = row.label_end_sample or 0
            if end > self._last.get(row.id, 0):
                self._last[row.id] = end
                self.told.append((end, now))
        super().signals(rows)


def opened() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1400,900"):  # fmt: skip
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return browser


@dataclass(frozen=True)
class Seen:
    """What was on the screen.

    Args:
        shown: Where each labelled window ended, and when its label could be seen (ms since 1970).
        told: The same, and when the page was told of it.
        passed_s: For how long it was watched.
        used_s: Processor time meanwhile, but for the search's process and the browser.
        share_dropped: Share of the samples that were not taken in time.
    """

    shown: list[tuple[int, float]]
    told: list[tuple[int, float]]
    passed_s: float
    used_s: float
    share_dropped: float


def watched(
    browser: webdriver.Chrome, recording: LiveRecording, viewers: Noting, asked: Namespace
) -> Seen:
    """Look at the page from its first label on."""
    until = time.monotonic() + asked.patience
    while not browser.execute_script("return window.shown.length"):
        if time.monotonic() > until:
            raise SystemExit(f"no label in {asked.patience:g} s")
        time.sleep(0.5)
    used_s, began = time.process_time(), time.monotonic()
    n_seen, n_dropped = recording.n_seen, recording.n_dropped
    browser.execute_script("window.shown.length = 0")
    viewers.told.clear()
    time.sleep(asked.seconds)
    told, shown = viewers.told[:], browser.execute_script("return window.shown")
    share = (recording.n_dropped - n_dropped) / max(1, recording.n_seen - n_seen)
    return Seen(shown, told, time.monotonic() - began, time.process_time() - used_s, share)


def main() -> None:
    summary = (__doc__ or "").partition("\n")[0]
    parser = ArgumentParser(description=summary)
    parser.add_argument("--rate", default="2.4M")
    parser.add_argument("--seconds", type=float, default=60, help="after the first label")
    parser.add_argument("--patience", type=float, default=180, help="seconds for the first label")
    asked = parser.parse_args()
    rate_hz = parse_rate(asked.rate)
    receiver, viewers = Receiver(rate_hz), Noting()
    recording = LiveRecording(receiver, SampleFormat.named("ci16"), rate_hz)
    classifier = Classifier(shipped.path_of(shipped.DEFAULT), threads=1)
    station, ready = Station(recording, classifier, viewers), threading.Event()
    browser = opened()
    with Place("127.0.0.1", 0).bound() as listening:
        server = Server(application(station, viewers), ready.set)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            ready.wait()
            browser.get(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            seen = watched(browser, recording, viewers, asked)
        finally:
            browser.quit()
            server.should_exit = True
            thread.join()
    assert receiver.began is not None
    told_ms, shown_ms = (
        np.array([now - 1e3 * (receiver.began + end / rate_hz) for end, now in each])
        for each in (seen.told, seen.shown)
    )
    names = sorted({str(each.class_name) for each in station.history()})
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    search = station.status()["search"]
    print(f"named: {', '.join(names)}; searched {search['share']:.1%} of the stream")
    print(
        f"samples dropped {seen.share_dropped:.1%}; {seen.used_s / seen.passed_s:.2f} cores; "
        f"{peak_mib:.0f} MiB at most; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(f"label at the server after its window's last sample, ms: {spread(told_ms)}")
    print(
        f"label on the screen at {rate_hz / 1e6:g} MS/s after its window's last sample, ms: "
        f"{spread(shown_ms)} ({len(shown_ms):,} labels)"
    )


def spread(delays_ms: NDArray[np.float64]) -> str:
    half, most, longest = np.quantile(delays_ms, [0.5, 0.99, 1])
    return f"p50 {half:.0f}, p99 {most:.0f}, longest {longest:.0f}"


if __name__ == "__main__":
    main()
