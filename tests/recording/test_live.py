"""Streams: what is read, what is dropped when it comes too fast, and `boltmod classify` on them."""

import contextlib
import csv
import io
import itertools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.cli.classify.job import Job
from boltmod.cli.classify.live_table import LiveTable, si
from boltmod.cli.classify.outputs import outputs
from boltmod.cli.classify.request import Request
from boltmod.cli.classify.summary import summary
from boltmod.errors import ConfigError, DataFormatError, SourceError, ToolNotFoundError
from boltmod.recording.live import pass_tags, rtl_tcp
from boltmod.recording.live.address import StreamFacts, open_stream
from boltmod.recording.live.buffer import LiveRecording, Overload
from boltmod.recording.live.byte_source import FileSource
from boltmod.recording.live.rtl_tcp import RtlTcp, Tuning
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.cut.occupancy import Place, occupancy
from boltmod.runtime.cut.whole_band import WholeBand
from boltmod.runtime.labelling import label
from boltmod.runtime.labels import Labels
from boltmod.runtime.session import Classifier
from boltmod.runtime.window import Windows
from hand_made_streams import Clock, Pieces

zmq = pytest.importorskip("zmq")

PATIENCE_S = 240
"""For what happens in a moment, but not on a machine that has much else to do."""
COMMAND = [sys.executable, "-c", "from boltmod.cli.app import main; main()", "classify"]


class Gated(Classifier):
    """A network that does nothing until it is let."""

    def __init__(self, model):
        super().__init__(model, threads=1)
        self.gate = threading.Event()
        self.is_asked = threading.Event()
        self.largest = 0

    def probabilities(self, frames, *, scale=True):
        self.is_asked.set()
        assert self.gate.wait(PATIENCE_S)
        self.largest = max(self.largest, len(frames))
        return super().probabilities(frames, scale=scale)


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(hand_made.convolutional().SerializeToString())
    return path


def label_live(classifier, live):
    for windows in WholeBand(with_places=True)(live):
        yield label(classifier, windows)


def noise(n_samples, seed=0):
    parts = np.random.default_rng(seed).standard_normal(2 * n_samples).astype(np.float32)
    return parts.view(np.complex64)


def numbered(n_windows):
    """Windows that say which they are: (n, 1024)."""
    windows = noise(1024 * n_windows).reshape(n_windows, 1024)
    windows[:, 0] = np.arange(n_windows)
    return windows


def all_stretches(live):
    with live:
        return [each for each in live.stretches(7 * 1024) if len(each.samples)]


def test_pieces_of_any_length_are_one_stream():
    windows = numbered(20)
    content = windows.tobytes() + bytes(9)
    cuts = [0, 1, 3, 4000, 4001, 20_000, 120_005, len(content)]
    source = Pieces([content[a:b] for a, b in itertools.pairwise(cuts)])
    live = LiveRecording(source, SampleFormat.CF32, overload=Overload(lossless=True, n_buffered=3))
    taken = all_stretches(live)
    samples = np.concatenate([each.samples for each in taken])
    assert np.array_equal(samples, [*windows.ravel(), 0])  # the ninth byte is no sample
    assert taken[0].first_sample == 0
    assert (live.n_seen, live.n_dropped, live.n_left_over_samples) == (20, 0, 1)
    assert source.is_closed


def test_real_samples_become_analytic():
    parts = noise(20_000).view(np.float32)
    live = LiveRecording(
        Pieces([parts[:30_000].tobytes(), parts[30_000:].tobytes()]),
        SampleFormat.RF32,
        overload=Overload(lossless=True),
    )
    taken = np.concatenate([each.samples for each in all_stretches(live)])
    assert len(taken) == 40_000
    np.testing.assert_allclose(taken[500:-500].real, parts[500 : len(taken) - 500], atol=0.3)
    spectrum = np.abs(np.fft.fft(taken[1024:9216] * np.hanning(8192))) ** 2
    assert spectrum[4200:8000].sum() < 1e-4 * spectrum[200:3900].sum()


def test_too_fast_a_stream_loses_whole_windows_and_every_one_is_counted(model_path):
    """1000 windows while the network stands still: what it holds, what waits, what is dropped."""
    classifier = Gated(model_path)
    windows = numbered(1000)
    first, rest = windows[:1].tobytes(), windows[1:].tobytes()
    given = threading.Event()

    def pieces():
        yield first
        assert classifier.is_asked.wait(PATIENCE_S)
        yield rest
        given.set()

    live = LiveRecording(
        Pieces(pieces()), SampleFormat.CF32, rate_hz=1024.0, overload=Overload(n_buffered=100)
    )
    labels = []
    with live:
        threading.Thread(target=lambda: (given.wait(PATIENCE_S), classifier.gate.set())).start()
        for some in label_live(classifier, live):
            labels.extend(some)
            assert live.n_waiting <= 100
    assert live.n_seen == live.n_samples_read // 1024 == 1000
    assert len(labels) + live.n_dropped == 1000
    # One is with the network, 999 come: each time that 100 wait, the older 50 go.
    assert live.n_dropped == 900
    kept = [0, *range(901, 1000)]
    assert [label.sample_start // 1024 for label in labels] == kept
    assert [label.time_s for label in labels] == kept
    alone = Classifier(model_path, threads=1)
    scaled = windows[kept] / windows[kept].astype(complex).std(axis=1, keepdims=True)
    planes = np.stack([scaled.real, scaled.imag], axis=1).astype(np.float32)
    assert [label.probability for label in labels] == pytest.approx(
        alone.probabilities(planes).max(axis=1), abs=1e-5
    )


def test_memory_does_not_grow_however_slow_the_network_is(model_path):
    classifier = Gated(model_path)
    content = noise(64 * 1024).tobytes()

    def pieces():
        yield content
        assert classifier.is_asked.wait(PATIENCE_S)
        for _ in range(400):
            yield content
        classifier.gate.set()

    live = LiveRecording(Pieces(pieces()), SampleFormat.CF32, overload=Overload(n_buffered=64))
    tracemalloc.start()
    with live:
        n_labels = sum(len(some) for some in label_live(classifier, live))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_labels + live.n_dropped == live.n_seen == 401 * 64
    assert live.n_dropped > 390 * 64
    assert peak < 16e6 < 401 * len(content) / 10


def test_a_source_that_can_wait_loses_nothing(model_path):
    classifier = Gated(model_path)
    reader, writer = os.pipe()
    content = numbered(300).tobytes()

    def write():
        with os.fdopen(writer, "wb") as file:
            file.write(content)

    threading.Thread(target=write).start()
    with os.fdopen(reader, "rb") as file:
        overload = Overload(lossless=True, n_buffered=16)
        live = LiveRecording(FileSource(file), SampleFormat.CF32, overload=overload)
        with live:
            threading.Timer(0.3, classifier.gate.set).start()
            labels = [label for some in label_live(classifier, live) for label in some]
    assert [label.sample_start for label in labels] == list(range(0, 300 * 1024, 1024))
    assert live.n_dropped == 0
    assert classifier.largest <= 16


def test_what_came_before_a_damaged_sample_is_labelled(model_path):
    good, bad = noise(2048), noise(10)
    bad[4] = np.nan
    live = LiveRecording(Pieces([good.tobytes(), bad.tobytes()]), SampleFormat.CF32)
    labels = []
    running = label_live(Classifier(model_path), live)
    with live, pytest.raises(DataFormatError) as error:
        labels.extend(itertools.chain.from_iterable(running))
    assert len(labels) == 2
    assert str(error.value) == (
        "pieces must hold finite samples, not (nan+0j) at sample 2052: "
        "give its true format, or record again"
    )


def test_silence_ends_a_stream_if_asked():
    live = LiveRecording(
        Pieces([noise(3000).tobytes()], ends=False),
        SampleFormat.CF32,
        overload=Overload(patience_s=0.2),
    )
    assert len(np.concatenate([each.samples for each in all_stretches(live)])) == 2048


def test_nothing_at_all_is_an_error():
    live = LiveRecording(
        Pieces([], ends=False), SampleFormat.CF32, overload=Overload(patience_s=0.1)
    )
    with pytest.raises(SourceError) as error:
        all_stretches(live)
    assert str(error.value) == (
        "pieces must bring samples, and brought none (it has no more): check what sends them"
    )


def test_stretches_are_those_of_any_recording():
    windows = numbered(9)
    overload = Overload(lossless=True)
    live = LiveRecording(Pieces([windows.tobytes()]), SampleFormat.CF32, overload=overload)
    with live:
        stretches = list(live.stretches(4096))
    assert max(len(each.samples) for each in stretches) <= 4096
    assert np.array_equal(np.concatenate([each.samples for each in stretches]), windows.ravel())


@pytest.mark.parametrize("snr_db", [5, 10, 20])
@pytest.mark.parametrize("samples_per_symbol", [4, 8])
def test_where_a_signal_is_and_how_strong(snr_db, samples_per_symbol):
    """QPSK in a root raised cosine of 35 %, 0.1 cycles a sample off the middle."""
    rng = np.random.default_rng(samples_per_symbol)
    n = 200 * 1024
    frequencies = np.abs(np.fft.fftfreq(n)) * samples_per_symbol
    shape = np.sqrt(0.5 - 0.5 * np.sin(np.pi * (np.clip(frequencies, 0.325, 0.675) - 0.5) / 0.35))
    impulses = np.zeros(n, complex)
    impulses[::samples_per_symbol] = 1j ** rng.integers(0, 4, n // samples_per_symbol)
    wave = np.fft.ifft(np.fft.fft(impulses) * shape)
    wave *= np.exp(0.2j * np.pi * np.arange(n)) / wave.std()
    occupied = 1.2 / samples_per_symbol
    deviation = np.sqrt(10 ** (-snr_db / 10) / occupied / 2)
    wave += deviation * (rng.standard_normal(n) + 1j * rng.standard_normal(n))
    found = occupancy(wave.astype(np.complex64).reshape(-1, 1024))
    assert all(found)
    assert np.median([each.centre for each in found]) == pytest.approx(0.1, abs=0.01)
    assert np.median([each.bandwidth for each in found]) == pytest.approx(occupied, rel=0.2)
    assert np.median([each.snr_db for each in found]) == pytest.approx(snr_db, abs=0.8)


def test_noise_alone_occupies_nothing():
    found = occupancy(noise(1024 * 1000).reshape(-1, 1024))
    assert sum(each is not None for each in found) <= 20
    assert occupancy(np.zeros((1, 1024), np.complex64)) == [None]
    (tone,) = occupancy(np.exp(0.5j * np.pi * np.arange(1024)).astype(np.complex64)[np.newaxis])
    assert (tone.centre, tone.snr_db) == (0.25, None)


class FakeRtlTcp(threading.Thread):
    """What rtl_tcp does: a header, then samples; commands as they come. A client may leave."""

    def __init__(self, samples, header=b"RTL0\0\0\0\5\0\0\0\x1d", n_commands=4):
        super().__init__()
        self._samples, self._header, self._n_commands = samples, header, n_commands
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.commands = []

    def run(self):
        with self._server, self._server.accept()[0] as connection:
            connection.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionError):
                self._serve(connection)

    def _serve(self, connection):
        connection.sendall(self._header[:5])
        connection.sendall(self._header[5:])
        commands = connection.makefile("rb")
        while len(self.commands) < self._n_commands and len(content := commands.read(5)) == 5:
            self.commands.append(struct.unpack(">BI", content))
        connection.sendall(self._samples)


@pytest.fixture
def patient_rtl_tcp(monkeypatch):
    monkeypatch.setattr(rtl_tcp, "_PATIENCE_S", PATIENCE_S)


@pytest.mark.usefixtures("patient_rtl_tcp")
def test_rtl_tcp_is_tuned_and_its_samples_read():
    samples = np.random.default_rng(1).integers(0, 256, 2 * 5000).astype(np.uint8).tobytes()
    server = FakeRtlTcp(samples)
    server.start()
    facts = StreamFacts(rate_hz=2.4e6, frequency_hz=433.92e6, gain_db=28.0)
    overload = Overload()
    live = open_stream(f"rtl_tcp://127.0.0.1:{server.port}", facts, overload)
    taken = all_stretches(live)
    server.join()
    assert server.commands == [(2, 2_400_000), (1, 433_920_000), (3, 1), (4, 280)]
    assert (vars(live.source)["tuner"], vars(live.source)["n_gains"]) == ("R820T", 29)
    assert live.source.about == "tuner R820T"
    assert live.notes == (f"{live.name}: tuner R820T",)
    assert live.source.state == "the server closed the connection"
    expected = SampleFormat.CU8.decode(samples)[:4096]
    assert np.array_equal(np.concatenate([each.samples for each in taken]), expected)
    assert (live.rate_hz, live.centre_hz) == (2.4e6, 433.92e6)


def test_rtl_tcp_chooses_its_gain_if_nobody_does():
    assert Tuning(1e6).commands() == struct.pack(">BIBI", 2, 1_000_000, 3, 0)
    assert Tuning(1e6).is_reached_exactly
    assert not Tuning(500e3).is_reached_exactly


@pytest.mark.usefixtures("patient_rtl_tcp")
def test_what_is_no_rtl_tcp():
    server = FakeRtlTcp(b"", header=b"SSH-2.0-OpenSSH", n_commands=0)
    server.start()
    with pytest.raises(SourceError) as error:
        RtlTcp("127.0.0.1", server.port, Tuning(1e6))
    server.join()
    assert str(error.value) == (
        f"rtl_tcp://127.0.0.1:{server.port} must be rtl_tcp, which says b'RTL0' first, not "
        "b'SSH-2.0-Open': check the port; another program may be connected, for rtl_tcp serves "
        "one at a time"
    )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_nobody_at_the_port():
    port = free_port()
    with pytest.raises(SourceError) as error:
        RtlTcp("127.0.0.1", port, Tuning(1e6))
    assert str(error.value) == (
        f"rtl_tcp://127.0.0.1:{port} must be reachable, and is not (Connection refused): "
        f"start rtl_tcp -a 127.0.0.1 -p {port} there"
    )


@pytest.mark.parametrize(
    ("address", "facts", "message"),
    [
        ("udp://127.0.0.1:1", {}, "address must begin with zmq://, tcp://, ipc://, rtl_tcp:// or "
         "soapy://, not udp://: convert the stream, or pipe it in with -"),
        ("zmq://127.0.0.1", {}, "address must be such as zmq://127.0.0.1:5555, not "
         "'tcp://127.0.0.1' (invalid argument): write it so"),
        ("rtl_tcp://:1234", {"rate_hz": 1e6},
         "address must be such as rtl_tcp://127.0.0.1:1234, not 'rtl_tcp://:1234': write it so"),
        ("rtl_tcp://127.0.0.1", {}, "rate must be given for rtl_tcp: add --rate 2.4M"),
        ("rtl_tcp://127.0.0.1", {"sample_format": "cf32"},
         "sample format of rtl_tcp must be cu8, not cf32: leave --format out"),
        ("rtl_tcp://127.0.0.1", {"rate_hz": 1e6, "frequency_hz": 5e9},
         "frequency must be below 4.29 GHz for rtl_tcp, not 5e+09: lower it"),
        ("rtl_tcp://127.0.0.1", {"rate_hz": 1e6, "gain_db": -1.0},
         "gain must be between 0 and 100 dB, not -1: tuners have up to about 50"),
        ("zmq://127.0.0.1:1", {"gain_db": 1.0},
         "gain must be left out for zmq://127.0.0.1:1: only receivers can be told"),
        ("rtl_tcp://127.0.0.1", {"topic": "a"},
         "topic must be left out for rtl_tcp://127.0.0.1: only ZeroMQ has topics"),
    ],
)  # fmt: skip
def test_wrong_addresses(address, facts, message):
    with pytest.raises(ConfigError) as error:
        open_stream(address, StreamFacts(**facts), Overload())
    assert str(error.value) == message


def test_without_pyzmq_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(ToolNotFoundError) as error:
        open_stream("zmq://127.0.0.1:5555", StreamFacts(), Overload())
    assert str(error.value) == (
        "pyzmq must be installed to hear a ZeroMQ publisher, and is not: "
        "install it with pip install 'boltmod[live]'"
    )


@pytest.fixture
def publisher():
    """An XPUB socket, which is a PUB socket that tells of its subscribers."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket_:
        socket_.linger = 0
        socket_.sndhwm = 0
        socket_.rcvtimeo = 1000 * PATIENCE_S
        port = socket_.bind_to_random_port("tcp://127.0.0.1")
        yield socket_, f"zmq://127.0.0.1:{port}"


def heard(live, n_windows):
    """So many windows, and whatever has come with them."""
    taken = []
    end = time.monotonic() + PATIENCE_S
    with live:
        for stretch in live.stretches(64 * 1024):
            taken.extend(stretch.samples.reshape(-1, 1024))
            if len(taken) >= n_windows:
                return np.array(taken)
            assert time.monotonic() < end
    pytest.fail("the stream ended before")


@pytest.mark.parametrize("envelope", ["none", "part", "prefix"])
def test_messages_are_joined_whatever_their_sizes(publisher, envelope):
    socket_, address = publisher
    windows = numbered(30)
    content = windows.tobytes()
    topic = None if envelope == "none" else "radio"
    live = open_stream(address, StreamFacts(topic=topic), Overload())

    def publish():
        assert socket_.recv() == b"\x01" + (topic or "").encode()
        rng = np.random.default_rng(0)
        done = 0
        if topic:
            socket_.send(b"other" + bytes(800))
        while done < len(content):
            size = int(rng.integers(1, 9999))
            part = content[done : done + size]
            if envelope == "part":
                socket_.send_multipart([b"radio", part])
            else:
                socket_.send((topic or "").encode() + part)
            done += size

    sender = threading.Thread(target=publish)
    sender.start()
    assert np.array_equal(heard(live, 30), windows)
    sender.join()
    assert live.n_dropped == 0


TAG = (
    bytes(8)  # of which item
    + b"\x02\0\x07rx_freq"  # key: a symbol
    + b"\x04" + struct.pack(">d", 433.92e6)  # value: a double
    + b"\x06"  # source: nothing
)  # fmt: skip
STRANGE_TAG = (
    bytes(8)
    + b"\x02\0\x01x"
    + b"\x07\x0c\0\0\0\x02\x03\0\0\0\x05\x01"  # a pair: of a tuple of an int32 and false
    + b"\x0a\x0a\0\0\0\x02\x01\0" + bytes(16)  # and a uniform vector of two c32
    + b"\x0b" + bytes(8)
)  # fmt: skip


@pytest.mark.parametrize("topic", [None, "radio"])
def test_tags_that_gnu_radio_passes_are_no_samples(publisher, topic):
    socket_, address = publisher
    windows = numbered(30)
    items = windows.reshape(-1)
    live = open_stream(address, StreamFacts(topic=topic), Overload())

    def publish():
        assert socket_.recv() == b"\x01" + (topic or "").encode()
        for number, start in enumerate(range(0, len(items), 999)):
            tags = [b"", TAG, TAG + STRANGE_TAG][number % 3]
            header = struct.pack("<HBQQ", 0x5FF0, 1, start, number % 3)
            part = header + tags + items[start : start + 999].tobytes()
            socket_.send_multipart([b"radio", part] if topic else [part])

    sender = threading.Thread(target=publish)
    sender.start()
    assert np.array_equal(heard(live, 30), windows)
    sender.join()


@pytest.mark.parametrize("cut", [3, 18, 19, 30, 40])
def test_what_only_begins_like_tags(cut):
    message = (struct.pack("<HBQQ", 0x5FF0, 1, 0, 2) + TAG + STRANGE_TAG)[:cut]
    assert pass_tags.samples_of(message) is None
    assert pass_tags.samples_of(struct.pack("<HBQQ", 0x5FF0, 1, 0, 1) + bytes(8) + b"\x99") is None
    endless = struct.pack("<HBQQ", 0x5FF0, 1, 0, 1) + bytes(8) + b"\x07" * 5000
    assert pass_tags.samples_of(endless) is None


def test_a_publisher_that_comes_and_goes_is_told_of():
    port = free_port()
    source = open_stream(f"zmq://127.0.0.1:{port}", StreamFacts(), Overload()).source
    try:
        assert source.read(0.05) is None
        assert source.state == "nobody publishes there"
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            publisher.linger = 0
            publisher.bind(f"tcp://127.0.0.1:{port}")
            assert publisher.recv() == b"\x01"
            until(lambda: source.read(0.05) is None and source.state == "its publisher is silent")
            publisher.send(b"abc")
            until(lambda: source.read(0.05) == b"abc")
        until(lambda: source.read(0.05) is None and source.state == "its publisher went away")
    finally:
        source.close()


def until(happens, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end


@contextlib.contextmanager
def start(*arguments, **options):
    """The command, which does not outlive what is asked of it."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    ) as running:  # fmt: skip
        try:
            yield running
        finally:
            running.kill()


def test_a_publisher_is_classified_until_ctrl_c(publisher, model_path, tmp_path):
    """As GNU Radio's ZMQ PUB Sink sends: complex64, no framing, some message size."""
    socket_, address = publisher
    content = noise(50_000).tobytes()
    log = tmp_path / "labels.csv"
    with start(address, "--rate", "240k", "--frequency", "100M", "-m", model_path) as running:
        assert socket_.recv() == b"\x01"
        for begin in range(0, len(content), 4096):
            socket_.send(content[begin : begin + 4096])
        lines = [json.loads(running.stdout.readline()) for _ in range(48)]
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0
    assert [line["sample_start"] for line in lines] == list(range(0, 48 * 1024, 1024))
    assert set(lines[0]) == {
        "sample_start", "time_s", "class_name", "probability", "snr_db", "centre_hz",
        "bandwidth_hz", "n_dropped",
    }  # fmt: skip
    (last,) = out.splitlines()
    summary = json.loads(last)["summary"]
    assert (summary["n_windows"], summary["n_dropped"]) == (48, 0)
    assert (summary["n_left_over_samples"], summary["centre_hz"]) == (848, 100e6)
    assert summary["notes"] == []
    assert err.startswith("48 windows: ")
    assert not log.exists()


def test_a_flood_is_counted_to_the_last_window(publisher, model_path, tmp_path):
    """6,000 windows as fast as they go, to a buffer of 512: none is lost unsaid."""
    socket_, address = publisher
    content = noise(200 * 1024).tobytes()
    log = tmp_path / "labels.csv"
    arguments = (address, "-m", model_path, "--threads", 1, "--timeout", 8, "-o", log, "--json")
    with start(*arguments) as running:
        assert socket_.recv() == b"\x01"
        for _ in range(30):
            socket_.send(content)
        out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, err
    document = json.loads(out)
    assert document["n_windows"] + document["n_dropped"] == 6_000
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert len(rows) == document["n_windows"]
    counted = [int(row["n_dropped"]) for row in rows]
    assert counted == sorted(counted)
    assert counted[-1] == document["n_dropped"]
    if document["n_dropped"]:
        assert "more windows dropped" in err


def test_nobody_publishes(model_path, monkeypatch):
    monkeypatch.setattr("boltmod.cli.classify.outputs._SILENCE_S", 0.01)
    port = free_port()
    done = CliRunner().invoke(
        app, ["classify", f"tcp://127.0.0.1:{port}", "-m", str(model_path), "--timeout", "5"]
    )
    assert done.stderr == (
        f"tcp://127.0.0.1:{port}: nothing for 0 s, nobody publishes there; waiting\n"
    )
    assert str(done.exception) == (
        f"tcp://127.0.0.1:{port} must bring samples, and brought none "
        "(nobody publishes there): check what sends them"
    )
    assert json.loads(done.stdout)["summary"]["n_windows"] == 0


@pytest.mark.parametrize("live", [False, True])
def test_cat_a_file(tmp_path, model_path, live):
    path = tmp_path / "air.cu8"
    path.write_bytes(np.random.default_rng(0).integers(0, 256, 700_000).astype("u1").tobytes())
    file = CliRunner().invoke(
        app, ["classify", str(path), "-r", "240k", "-m", str(model_path), "--json"]
    )
    expected = json.loads(file.stdout)["windows"]
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        options = ["--live"] if live else []
        with start(
            "-", "--format", "cu8", "--rate", "240k", "-m", model_path, "--json", *options,
            stdin=cat.stdout,
        ) as running:  # fmt: skip
            out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, err
    if live:
        *windows, last = map(json.loads, out.splitlines())
        summary = last["summary"]
    else:
        summary = json.loads(out)
        windows = summary["windows"]
        assert summary["n_dropped"] == 0
    assert summary["n_windows"] + summary["n_dropped"] == len(expected) == 341
    by_start = {each["sample_start"]: each for each in expected}
    for each in windows:
        same = by_start[each["sample_start"]]
        assert (each["class_name"], each["time_s"]) == (same["class_name"], same["time_s"])
        assert each["probability"] == pytest.approx(same["probability"], abs=1e-5)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 28_000])
def test_a_wav_file_through_a_pipe(tmp_path, model_path, size):
    parts = np.random.default_rng(0).integers(-99, 99, 14_000).astype("<i2")
    fmt = struct.pack("<HHIIHH", 1, 2, 48_000, 192_000, 4, 16)
    header = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt " + struct.pack("<I", 16) + fmt
    path = tmp_path / "x.wav"
    path.write_bytes(header + b"data" + struct.pack("<I", size) + parts.tobytes())
    file = CliRunner().invoke(app, ["classify", str(path), "-m", str(model_path), "--json"])
    done = CliRunner().invoke(
        app, ["classify", "-", "-m", str(model_path), "--json"], input=path.read_bytes()
    )
    assert done.exit_code == 0, done.stderr
    piped, filed = json.loads(done.stdout), json.loads(file.stdout)
    assert piped["rate_hz"] == filed["rate_hz"] == 48_000
    names = ("sample_start", "time_s", "class_name", "probability")
    assert [{name: each[name] for name in names} for each in piped["windows"]] == filed["windows"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "standard input must be a whole WAV header and samples, and is "
         "not: check what writes it"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"
         + struct.pack("<HHIIHH", 1, 3, 48_000, 0, 6, 16) + b"data\0\0\0\0",
         "standard input must have one real channel, or two, I left and Q right, not 3: "
         "record those of I and Q alone"),
    ],
)  # fmt: skip
def test_wav_through_a_pipe_that_cannot_be_read(model_path, content, message):
    done = CliRunner().invoke(app, ["classify", "-", "-m", str(model_path)], input=content)
    assert str(done.exception) == message


def test_a_header_in_a_pipe_is_no_sample(model_path):
    done = CliRunner().invoke(
        app, ["classify", "-", "-f", "cs16", "-m", str(model_path)],
        input=b"RIFF\0\0\0\0WAVEfmt " + bytes(9000),
    )  # fmt: skip
    assert str(done.exception) == (
        "standard input must bring nothing but samples, and begins like a WAV file: "
        "leave --format out if it is a WAV file, else convert it"
    )


@pytest.mark.parametrize(("word", "notes"), [
    ("s16", ["standard input: read as real samples: --format ci16 if they are I and Q in turn"]),
    ("ri16", []),
    ("cs16", []),
])  # fmt: skip
def test_a_format_of_two_meanings_is_said_of_a_pipe_too(model_path, word, notes):
    done = CliRunner().invoke(
        app, ["classify", "-", "-f", word, "-m", str(model_path), "--json"],
        input=np.arange(9000, dtype="<i2").tobytes(),
    )  # fmt: skip
    assert json.loads(done.stdout)["notes"] == notes


def test_a_document_is_whole_after_an_error_too(model_path):
    samples = noise(3000)
    samples[2500] = np.inf
    done = CliRunner().invoke(
        app, ["classify", "-", "-f", "cf32", "-m", str(model_path), "--json"],
        input=samples.tobytes(),
    )  # fmt: skip
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["n_windows"] == len(document["windows"])
    assert document["error"] == str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--timeout", "0"], "timeout must be above 0 s, not 0: leave it out to wait"),
        (["--gain", "1"], "gain must be left out for -: only receivers can be told"),
    ],
)
def test_wrong_options(model_path, arguments, message):
    done = CliRunner().invoke(
        app, ["classify", "-", "-f", "cu8", "-m", str(model_path), *arguments], input=b""
    )
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == message


def test_what_a_file_has_not(tmp_path, model_path):
    path = tmp_path / "air.cf32"
    path.write_bytes(noise(2000).tobytes())
    done = CliRunner().invoke(app, ["classify", str(path), "-m", str(model_path), "--live"])
    assert str(done.exception) == "live must be left out for a file: only streams have it"


def test_the_live_table(monkeypatch):
    monkeypatch.setattr(LiveRecording, "silence_s", 0.0)
    console = Console(force_terminal=True, width=120, height=10, file=io.StringIO())
    live = LiveRecording(Pieces([]), SampleFormat.CF32, rate_hz=240e3, centre_hz=433.92e6)
    clock = Clock()
    with LiveTable(console, live, clock) as table:
        for second in range(5):
            clock.now = float(second)
            live.n_seen += 6
            live.n_dropped += 2 * (second == 4)
            starts = [120_000 * second + 1024 * n for n in range(4)]
            places = [Place(10.0 + n, 433.93e6, 12e3) for n in range(4)]
            windows = Windows(numbered(0), starts, 1024, 240e3, places=places)
            shares = np.array([[0.75, 0.25]] * 3 + [[0.25, 0.75]], np.float32)
            table.add(windows, Labels(windows, ("BPSK", "QPSK"), shares, np.zeros(4, np.bool_)))
    plain = Console(width=120, file=io.StringIO())
    plain.print(table.drawing())
    heading, counts, columns, *rows = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert heading.strip() == "pieces · 240 kS/s · at 433.92 MHz"
    assert counts.strip() == "20 windows · 2 dropped (7%)"
    assert columns.split()[-2:] == ["windows", "dropped"]
    assert len(rows) == 3
    assert rows[-1].split() == [
        "2.000", "s", "BPSK", "0.750", "11.5", "dB", "433.93", "MHz", "12", "kHz", "4", "2",
    ]  # fmt: skip


def test_multiples():
    assert [si(value) for value in (0.5, 999, 1500, -25e3, 2.4e6, 1.42e9)] == [
        "0.5 ", "999 ", "1.5 k", "-25 k", "2.4 M", "1.42 G",
    ]  # fmt: skip


def test_signals_of_a_stream_that_is_too_fast_are_not_passed_over_in_silence(model_path, capsys):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=1 << 20).astype(np.float32).tobytes()
    live = LiveRecording(
        Pieces([noise] * 8), SampleFormat.CF32, rate_hz=1e6, overload=Overload(n_buffered=16)
    )
    request = Request("-", rate_hz=1e6, channel="auto", is_live=True, as_json=True)
    job = Job(request, Classifier(model_path, 1), live, live)
    with contextlib.ExitStack() as stack:
        stack.enter_context(summary(job))
        stack.enter_context(live)
        sinks = list(outputs(stack, job, None))
        for windows in job.cut(live):
            for sink in sinks:
                sink.add(windows, [])
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["summary"]["n_dropped"] == live.n_dropped > 0
    assert (
        f"{live.n_dropped:,} of 4,096 times 1024 samples dropped so far: the stream is faster than "
        "they can be looked at" in " ".join(said.err.split())
    )
