"""The live page: what it is told, whom it lets in, and what it leaves behind."""

import asyncio
import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import sigmf
from starlette.applications import Starlette
from typer.testing import CliRunner
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from boltmod.cli.app import app
from boltmod.errors import ConfigError, WorkerError
from boltmod.model import shipped
from boltmod.recording.arrays import ArrayRecording
from boltmod.recording.stretch import Stretch
from boltmod.runtime.cut.band import Band
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.session import Classifier
from boltmod.serve.app import application
from boltmod.serve.appearance import Appearance, Row
from boltmod.serve.attention import Attention
from boltmod.serve.demonstration import RATE_HZ, demonstration
from boltmod.serve.excerpt import Excerpt, length_of, margin_of
from boltmod.serve.export import written_as
from boltmod.serve.follow import Follower
from boltmod.serve.paced import Paced
from boltmod.serve.ring import Clock, Ring, written
from boltmod.serve.rows import N_BINS, Rows
from boltmod.serve.search import Question, Searcher, search
from boltmod.serve.server import Place, Server
from boltmod.serve.station import Station
from boltmod.serve.viewers import Viewers, row_message
from hand_made_signals import QPSK, linear, noise, shifted

RATE = 1e6
PATIENCE_S = 240
IQENGINE = "https://iqengine.example"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(shipped.path_of(shipped.DEFAULT), threads=1)


def band(n: int = 1 << 18, seed: int = 5) -> np.ndarray:
    """QPSK of 31,250 symbols a second, 125 kHz over the middle, in noise."""
    rng = np.random.default_rng(seed)
    alone = shifted(linear(rng, n, 1 / 32, QPSK), 0.125)
    return (alone + noise(rng, n, 0.1)).astype(np.complex64)


# Samples


@pytest.mark.parametrize("length", [1000, 70_000, 1 << 20])
def test_a_ring_holds_the_newest_samples(length: int) -> None:
    ring = Ring(1000.0)
    samples = (np.arange(3 << 19) % 65_537).astype(np.complex64)
    for start in range(0, len(samples), length):
        ring.add(Stretch(start, samples[start : start + length]))
    assert ring.end == len(samples)
    assert ring.end - ring.first == ring.longest == 1 << 19
    np.testing.assert_array_equal(ring.part(ring.first, ring.end), samples[ring.first :])
    np.testing.assert_array_equal(ring.part(ring.end - 5, ring.end), samples[-5:])


def test_a_ring_lets_go_of_what_came_before_a_gap() -> None:
    ring = Ring(1000.0)
    ring.add(Stretch(0, np.ones(4096, np.complex64)))
    ring.add(Stretch(10_240, np.full(1024, 2, np.complex64)))
    assert (ring.first, ring.end) == (10_240, 11_264)
    assert (ring.part(10_240, 11_264) == 2).all()


def test_a_clock_follows_the_samples_and_not_their_jitter() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    clock = Clock(1000.0)
    clock.note(1000, noon)
    clock.note(2000, noon + timedelta(seconds=1.2))
    assert written(clock.utc(1500)) == "2026-01-01T12:00:00.500Z"
    clock.note(3000, noon + timedelta(seconds=9))
    assert written(clock.utc(3000)) == "2026-01-01T12:00:09.000Z"
    told = Clock(1000.0, noon)
    told.note(1000, noon + timedelta(days=1))
    assert told.utc(1000) == noon + timedelta(seconds=1)


def test_a_file_is_played_back_at_its_rate_and_again() -> None:
    passed: list[float] = [0.0]
    samples = np.arange(3000, dtype=np.float32).astype(np.complex64)
    paced = Paced(
        ArrayRecording(samples, 1000.0), True, clock=lambda: passed[-1],
        sleep=lambda seconds: passed.append(passed[-1] + seconds),
    )  # fmt: skip
    stretches = paced.stretches(1000)
    taken = [next(stretches) for _ in range(5)]
    assert [each.first_sample for each in taken] == [0, 1000, 2000, 3000, 4000]
    np.testing.assert_array_equal(taken[4].samples, samples[1000:2000])
    assert passed == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert paced.repeats_after == 3000
    assert Paced(paced.recording).repeats_after is None


# The waterfall


@pytest.mark.parametrize("n_at_once", [1024, 5000, 1 << 16])
def test_a_tone_of_amplitude_one_has_0_db_in_its_bin(n_at_once: int) -> None:
    rows = Rows(204_800.0, is_real=False)
    tone = np.exp(2j * np.pi * 300 / N_BINS * np.arange(1 << 16)).astype(np.complex64)
    made = [
        row
        for start in range(0, len(tone), n_at_once)
        for row in rows.add(Stretch(start, tone[start : start + n_at_once]))
    ]
    assert [row.first_sample for row in made] == [i * 10_240 for i in range(6)]
    level_db = made[0].level / 100
    assert level_db.argmax() == N_BINS // 2 + 300
    assert abs(level_db.max()) < 0.05
    assert np.median(level_db) < -90


def test_a_row_holds_nothing_of_two_sides_of_a_gap() -> None:
    rows = Rows(204_800.0, is_real=False)
    loud = np.full(5000, 1, np.complex64)
    assert list(rows.add(Stretch(0, loud))) == []
    quiet = np.full(12_000, 1e-3, np.complex64)
    (row,) = rows.add(Stretch(100_000, quiet))
    assert row.first_sample == 100_000
    assert row.level.max() / 100 == pytest.approx(-60, abs=0.05)


def test_real_samples_have_no_negative_half() -> None:
    (row,) = Rows(204_800.0, is_real=True).add(Stretch(0, np.ones(10_240, np.complex64)))
    assert row.level.shape == (N_BINS // 2,)
    assert row.level.argmax() == 0


def test_a_burst_of_an_unknown_sender_is_looked_at_and_noise_is_not() -> None:
    rng = np.random.default_rng(7)
    n = 1 << 21
    rate_hz, samples = 2e6, noise(rng, n, 0.1)
    start = 1_430_000  # in one row
    samples[start : start + 8192] += 0.3 * shifted(np.ones(8192), 0.2)
    rows = list(Rows(rate_hz, False).add(Stretch(0, samples.astype(np.complex64))))
    deaf, told, wide = Attention(False), Attention(False), Attention(False)
    for row in rows:
        deaf.note(row, [])
        told.note(row, [Band(0.2, 0.01)])
        wide.note(row, [Band(-0.2, 0.3)])
    span = deaf.newest(0)
    assert span is not None
    assert span[0] <= start < span[1]
    assert deaf.newest(0) is None
    assert told.newest(0) is None
    assert wide.newest(span[0] + 1) is None


# Windows out of a shared spectrum


@pytest.mark.parametrize(("centre", "ratio"), [(0.125, 0.25), (-0.31, 0.031), (0.002, 0.9)])
def test_windows_of_a_shared_spectrum_are_those_of_the_filter(centre: float, ratio: float) -> None:
    samples = noise(np.random.default_rng(3), 1 << 17, 1.0).astype(np.complex64)
    channel = Channel(centre, ratio / 8, ratio)
    excerpt = Excerpt(samples, 1000)
    start = 1000 + margin_of(channel) + 777
    (window,) = excerpt.windows(channel, [start])
    alone = np.concatenate(list(select([samples[777 : 777 + 80_000]], channel)))
    skipped = round(margin_of(channel) * channel.samples_out)
    n = min(1024, len(alone) - skipped)
    expected = alone[skipped : skipped + n]
    likeness = abs(np.vdot(window[:n], expected))
    likeness /= np.linalg.norm(window[:n]) * np.linalg.norm(expected)
    assert likeness > 0.98  # they begin up to half a sample of the channel apart
    assert np.linalg.norm(window[:n]) == pytest.approx(np.linalg.norm(expected), rel=0.01)


# Signals


def followed(
    classifier: Classifier, samples: np.ndarray
) -> tuple[Follower, Ring, list[Appearance]]:
    """A follower that has been told what a search finds in the samples, and what that changed."""
    ring, clock = Ring(RATE), Clock(RATE, datetime(2026, 1, 1, tzinfo=UTC))
    follower = Follower(classifier, ring, clock, RATE)
    ring.add(Stretch(0, samples))
    question = Question(samples, 0, None, follower.known)
    return follower, ring, follower.take(question, search(question))


def test_a_signal_is_named_followed_and_ended(classifier: Classifier) -> None:
    samples = band()
    follower, ring, (begun,) = followed(classifier, samples[: 1 << 17])
    row = begun.row(100e6)
    assert row.class_name == "QPSK"
    assert row.is_on
    assert row.symbol_rate_hz == pytest.approx(31_250, rel=1e-3)
    assert row.frequency_hz == pytest.approx(100.125e6, abs=2e3)
    assert row.snr_db is not None
    assert row.start_utc.startswith("2026-01-01T00:00:00")
    assert set(row.top_classes) >= {"QPSK"}

    ring.add(Stretch(1 << 17, samples[1 << 17 :]))
    (again,) = follower.step()
    assert again.id == begun.id
    assert again.row(None).n_windows > row.n_windows
    assert again.row(None).frequency_hz is None
    assert again.row(None).label_end_sample > (1 << 18) - 2000
    detail = again.detail()
    assert len(detail["constellation"]) >= 120
    assert max(detail["spectrum"]["level_db"]) == 0
    assert {name for name, _ in detail["reasons"]} >= {"Carrier", "Symbol rate", "Class"}

    (ended,) = follower.restart()
    assert not ended.row(None).is_on
    assert follower.n_on == 0


def test_a_signal_is_measured_until_two_measurements_agree(classifier: Classifier) -> None:
    samples = band(1 << 17)
    follower, _, _ = followed(classifier, samples[:1024])
    question = Question(samples, 0, None, ())
    findings = search(question)
    (measured,) = findings.measured
    assert measured.carrier is not None
    places = (measured.carrier + 0.003, measured.carrier, measured.carrier)
    n_known = []
    for place in places:
        found = replace(findings, measured=(replace(measured, carrier=place),))
        follower.take(question, found)
        n_known.append(len(follower.known))
    assert n_known == [0, 0, 1]


def test_a_signal_that_falls_silent_ends_by_itself(classifier: Classifier) -> None:
    follower, ring, _ = followed(classifier, band(1 << 17))
    assert follower.n_on == 1
    start, n = 1 << 17, 1 << 18
    for seed in range(8):
        quiet = noise(np.random.default_rng(50 + seed), n, 0.1).astype(np.complex64)
        ring.add(Stretch(start, quiet))
        question = Question(quiet, start, None, follower.known)
        follower.take(question, search(question))
        follower.step()
        start += n
    assert follower.n_on == 0


def test_a_search_runs_in_a_process_that_is_begun_anew_when_it_dies() -> None:
    searcher = Searcher()
    try:
        question = Question(band(1 << 16), 4096, None, ())
        searcher.ask(question)
        found = awaited(searcher.answer)
        assert found[0] is question
        assert [round(each.detection.band.centre, 2) for each in found[1].measured] == [0.12]
        searcher.ask(question)
        searcher._process.kill()
        awaited(lambda: searcher.answer() or searcher.n_lost)
        assert searcher.is_idle
        searcher.ask(question)
        assert awaited(searcher.answer)[0] is question
    finally:
        searcher.close()


def test_a_search_that_only_dies_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a script without a main guard: every process begins by running the script again."""
    searcher = Searcher()
    question = Question(band(1 << 16), 4096, None, ())

    def dies() -> object:
        if searcher.is_idle:
            searcher.ask(question)
            searcher._process.kill()
        return searcher.answer()

    try:
        with pytest.raises(WorkerError, match=r"ended 3 times without an answer.*__main__"):
            awaited(dies)
        assert searcher.n_lost == 3
    finally:
        searcher.close()


def awaited(answer):
    """What is there in the end."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = answer()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came")


def test_only_a_long_gap_ends_what_is_on(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    recording = ArrayRecording(np.ones(8, np.complex64), RATE)
    station = Station(recording, classifier, Viewers())
    monkeypatch.setattr(station._follower, "restart", lambda: ends.append(station._ring.end) or [])
    ones = np.ones(1024, np.complex64)
    for first in (0, 1024, 500_000, 2_000_000):
        station._take(Stretch(first, ones))
    assert ends == [501_024]


# Viewers


def test_a_slow_viewer_loses_rows_and_no_signal() -> None:
    async def both() -> tuple[list[str | bytes], int]:
        viewers = Viewers()
        viewers.attach(asyncio.get_running_loop())
        queue = viewers.join()
        (line,) = Rows(204_800.0, False).add(Stretch(0, np.ones(10_240, np.complex64)))
        for number in range(600):
            viewers.row(line, datetime.now(UTC))
            if number % 6 == 0:
                viewers.signals([row_of(number)])
        await asyncio.sleep(0)
        waiting = [queue.get_nowait() for _ in range(queue.qsize())]
        viewers.leave(queue)
        return waiting, viewers.n

    waiting, n = asyncio.run(both())
    told = [json.loads(each)["rows"][0]["id"] for each in waiting if isinstance(each, str)]
    assert told == list(range(0, 600, 6))
    assert len(waiting) <= 400
    assert n == 0


def row_of(number: int, **other: object) -> Row:
    values = {
        "id": number, "signal": 1, "start_utc": "2026-01-01T00:00:00.000Z",
        "end_utc": "2026-01-01T00:00:01.000Z", "is_on": False, "first_sample": 1000 * number,
        "end_sample": 1000 * number + 500, "frequency_hz": None, "offset_hz": 1e3,
        "low_hz": -1e3, "high_hz": 3e3, "bandwidth_hz": 4e3, "symbol_rate_hz": 1e3,
        "symbol_rate_is_sure": True, "snr_db": 12.0, "class_name": "QPSK", "probability": 0.9,
        "n_windows": 3, "top_classes": {"QPSK": 0.9, "8PSK": 0.1}, "is_by_waveform": False,
        "label_end_sample": None,
    }  # fmt: skip
    return Row(**(values | other))


# Files


def test_a_history_is_written_as_csv_json_lines_and_sigmf(tmp_path: Path) -> None:
    rows = [row_of(2), row_of(1, class_name=None, probability=None, top_classes={})]
    recording = ArrayRecording(np.ones(8, np.complex64), 1e6, 100e6, name="an antenna")
    table = list(csv.DictReader(io.StringIO(written_as("csv", rows, recording, "me"))))
    assert [each["id"] for each in table] == ["2", "1"]
    assert table[0]["top_classes"] == "QPSK=0.9;8PSK=0.1"
    lines = written_as("jsonl", rows, recording, "me").splitlines()
    assert json.loads(lines[0]) == rows[0].as_dict()
    path = tmp_path / "session.sigmf-meta"
    path.write_text(written_as("sigmf-meta", rows, recording, "me"), encoding="utf-8")
    read = sigmf.SigMFFile(json.loads(path.read_text(encoding="utf-8")))
    read.validate()
    annotations = read.get_annotations()
    assert [each["core:label"] for each in annotations] == ["signal", "QPSK"]
    assert annotations[1]["core:freq_lower_edge"] == 100e6 - 1e3
    assert annotations[1]["core:sample_count"] == 500
    with pytest.raises(ConfigError) as raised:
        written_as("pdf", rows, recording, "me")
    assert str(raised.value) == (
        "format must be one of csv, jsonl, sigmf-meta, not 'pdf': take one of these"
    )


# The page, served


@dataclass
class Served:
    url: str
    station: Station
    viewers: Viewers

    def get(self, path: str, content: bytes | None = None, **headers: str) -> bytes:
        with urlopen(Request(self.url + path, content, headers), timeout=PATIENCE_S) as answer:
            return answer.read()

    def refused(
        self, path: str = "", content: bytes | None = None, **headers: str
    ) -> tuple[int, str]:
        with pytest.raises(HTTPError) as raised:
            self.get(path, content, **headers)
        with raised.value as error:
            return error.code, error.read().decode()


@contextmanager
def served(
    classifier: Classifier, token: str | None = None, iqengine: str | None = None
) -> Iterator[Served]:
    """A page of the demonstration's signals."""
    viewers = Viewers()
    station = Station(Paced(demonstration(), True), classifier, viewers)
    place, ready = Place.of("127.0.0.1", 0, token), threading.Event()
    app: Starlette = application(station, viewers, place.token, iqengine)
    with place.bound() as listening:
        server = Server(app, ready.set)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        assert ready.wait(PATIENCE_S)
        try:
            port = listening.getsockname()[1]
            yield Served(f"http://127.0.0.1:{port}/", station, viewers)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def page(classifier: Classifier) -> Iterator[Served]:
    with served(classifier, iqengine=IQENGINE) as found:
        yield found


def look(socket: ClientConnection) -> None:
    """Until there are signals and a waterfall."""
    hello = json.loads(socket.recv(PATIENCE_S))
    assert hello["rate_hz"] == RATE_HZ
    assert hello["centre_hz"] is None
    names, n_rows = set(), 0
    while not (names >= {"QPSK", "2FSK"} and n_rows > 20):
        message = socket.recv(PATIENCE_S)
        if isinstance(message, bytes):
            n_rows += 1
            assert len(message) == 16 + 2 * hello["n_bins"]
            continue
        document = json.loads(message)
        if document["type"] == "signals":
            names |= {row["class_name"] for row in document["rows"]}


def test_several_viewers_get_the_same_waterfall_and_signals(page: Served) -> None:
    live = page.url.replace("http", "ws") + "live"
    # Both read all the time: a viewer who does not, and answers no ping, is sent away.
    with (
        connect(live, ping_interval=None) as one,
        connect(live, ping_interval=None) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        for each in [pool.submit(look, socket) for socket in (one, other)]:
            each.result()
        assert page.viewers.n == 2
    document = json.loads(page.get("api/signals"))
    number = next(each["id"] for each in document if each["class_name"] == "QPSK")
    detail = json.loads(page.get(f"api/signals/{number}"))
    assert detail["constellation"]
    assert max(detail["top_classes"].values()) <= 1
    assert page.refused("api/signals/99999")[0] == 404
    state = json.loads(page.get("api/state"))
    assert state["status"]["state"] == "live"
    assert page.get("api/history.csv").startswith(b"id,signal,start_utc")
    assert json.loads(page.get("api/history.sigmf-meta"))["annotations"]
    assert page.refused("api/history.pdf")[0] == 404


def test_the_page_loads_nothing_from_elsewhere(page: Served) -> None:
    names = ["", "main.js", "connection.js", "waterfall.js", "table.js", "detail.js", "format.js",
             "style.css", "icon.svg"]  # fmt: skip
    for name in names:
        text = page.get(name).decode()
        outside = re.findall(r"(?:https?:|[\"'(])//[^\"')\s]+", text)
        assert outside in ([], ["http://www.w3.org/2000/svg"]), name
    with urlopen(page.url, timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'self'; frame-ancestors 'none'"
        )


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "[", "", "127.0.0.1.evil.com"])
def test_a_name_that_leads_here_is_refused(page: Served, host: str) -> None:
    assert page.refused(Host=host) == (
        403, "this page is for this computer alone: open it at 127.0.0.1\n",
    )  # fmt: skip


def test_another_sites_page_may_not_ask(page: Served) -> None:
    code, _ = page.refused("api/signals", Origin="http://evil.example")
    assert code == 403
    with pytest.raises(InvalidStatus) as raised:
        connect(page.url.replace("http", "ws") + "live", origin=Origin("http://evil.example"))
    assert raised.value.response.status_code == 403


def form(**parts: bytes | str) -> tuple[bytes, dict[str, str]]:
    """A multipart form, bytes as files, as a browser's FormData sends it."""
    lines = []
    for name, content in parts.items():
        file = "" if isinstance(content, str) else '; filename="blob"'
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body = content.encode() if isinstance(content, str) else content
        lines.append(head.encode() + body + b"\r\n")
    headers = {"Content-Type": "multipart/form-data; boundary=edge", "Origin": IQENGINE}
    return b"".join(lines) + b"--edge--\r\n", headers


def test_iqengine_sends_a_piece_and_gets_annotations(page: Served) -> None:
    assert json.loads(page.get("plugins/", Origin=IQENGINE)) == ["boltmod"]
    assert "min_probability" in json.loads(page.get("plugins/boltmod", Origin=IQENGINE))
    told = {"file_name": "air", "data_type": "iq/cf32_le", "sample_rate": 1e6, "center_freq": 1e8}
    content, headers = form(
        iq_file=band(1 << 17).tobytes(), metadata_file=json.dumps(told), custom_params="{}"
    )
    begun = json.loads(page.get("plugins/boltmod", content, **headers))
    where = f"plugins/{begun['job_id']}"
    status = awaited(
        lambda: (found := json.loads(page.get(f"{where}/status")))["progress"] and found
    )
    assert (status["progress"], status["error"], status["file_name"]) == (100, None, "air")
    (found,) = json.loads(page.get(f"{where}/result"))["annotations"]
    assert found["core:label"] == "QPSK"
    assert found["core:freq_lower_edge"] < 100.125e6 < found["core:freq_upper_edge"]
    assert found["core:sample_count"] > 100_000


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"iq_file": b"1234"}, "iq_file and metadata_file must be sent"),
        ({"iq_file": b"1234", "metadata_file": "{"}, "Expecting property name"),
        (
            {"iq_file": b"12345678", "metadata_file": '{"data_type": "iq/x"}'},
            "sample format must be",
        ),
        ({"iq_file": b"", "metadata_file": '{"data_type": "iq/cf32_le"}'}, "must hold samples"),
    ],
)
def test_what_iqengine_cannot_mean_is_refused(
    page: Served, parts: dict[str, bytes | str], reason: str
) -> None:
    content, headers = form(**parts)
    code, words = page.refused("plugins/boltmod", content, **headers)
    assert code == 400
    assert reason in json.loads(words)["detail"]


def test_iqengines_page_may_ask_for_its_plugin_alone(page: Served) -> None:
    request = Request(page.url + "plugins/boltmod", method="OPTIONS", headers={
        "Origin": IQENGINE, "Access-Control-Request-Method": "POST",
    })  # fmt: skip
    with urlopen(request, timeout=PATIENCE_S) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == IQENGINE
    assert page.refused("api/signals", Origin=IQENGINE)[0] == 403
    assert page.refused("plugins/boltmod", Origin="https://other.example")[0] == 403


def test_a_page_with_a_token_asks_for_it(classifier: Classifier) -> None:
    with served(classifier, "a-long-secret") as page:
        assert page.refused() == (
            403, "the token is missing or wrong: open the address that boltmod serve printed\n",
        )  # fmt: skip
        assert page.refused("?token=another-secret")[0] == 403
        with urlopen(page.url + "?token=a-long-secret", timeout=PATIENCE_S) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert cookie == "boltmod_token=a-long-secret; HttpOnly; SameSite=Strict; Path=/"
        assert page.get("api/state", Cookie=cookie.partition(";")[0])
        assert page.get("api/state", Authorization="Bearer a-long-secret")
        with pytest.raises(InvalidStatus):
            connect(page.url.replace("http", "ws") + "live")


def test_a_page_for_others_has_a_token() -> None:
    assert Place.of("127.0.0.1", 0, None).token is None
    assert Place.of("::1", 0, None).token is None
    drawn = Place.of("0.0.0.0", 80, None)
    assert drawn.token is not None
    assert len(drawn.token) >= 20
    assert drawn.url(80) == f"http://0.0.0.0:80/?token={drawn.token}"
    with pytest.raises(ConfigError) as raised:
        Place.of("0.0.0.0", 80, "a; b")
    assert str(raised.value) == (
        "token must be at least 8 letters, digits, - or _, for it stands in the page's address: "
        "leave it out, and one is drawn"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["air.cf32", "--gain", "3"], "gain and topic must be left out for a file"),
        (["zmq://127.0.0.1:1", "--loop"], "loop must be left out for a stream"),
        (["zmq://127.0.0.1:1", "--real", "-r", "1M"], "--channels, --real and --iq must be left"),
        (["--rate", "1M"], "options of a source must be left out without one"),
        (["air.cf32"], "rate must be known to show signals: give it with --rate"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.ones(4096, np.complex64).tofile("air.cf32")
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_an_address_that_is_taken_is_said() -> None:
    with Place("127.0.0.1", 0).bound() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as raised:
            Place("127.0.0.1", port).bound()
    assert f"127.0.0.1:{port} is not (Address already in use)" in str(raised.value)


def test_a_row_is_its_sample_its_time_and_its_levels() -> None:
    (line,) = Rows(204_800.0, False).add(Stretch(0, np.ones(10_240, np.complex64)))
    message = row_message(line, datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC))
    assert np.frombuffer(message[:8], "<i8")[0] == 0
    assert np.frombuffer(message[8:16], "<f8")[0] == 2000
    np.testing.assert_array_equal(np.frombuffer(message[16:], "<i2"), line.level)


def test_the_demonstration_goes_over_into_its_beginning() -> None:
    samples = demonstration().samples
    seam = np.concatenate([samples[-4096:], samples[:4096]])
    steps = np.abs(np.diff(seam))
    assert steps[4095] < 2 * steps.mean() + 3 * steps.std()
    assert length_of(Channel(0.0, 0.1, 0.5)) == 2048
