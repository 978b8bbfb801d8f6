"""Recordings shared out over a Ray cluster, one of whose machines dies."""

import threading
import time

import pytest

from boltmod.errors import ConfigError, SourceError, ToolNotFoundError
from boltmod.recording.raw import SampleFormat
from classify_command import classify, table
from hand_made_signals import encode, qpsk

pytest.importorskip("ray", reason="Ray is not installed: pip install 'boltmod[cluster]'")

pytestmark = [
    pytest.mark.slow,
    # Ray's own, of its next version and of processes that have died.
    pytest.mark.filterwarnings("ignore"),
]
N_FILES = 24


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "air"
    path.mkdir()
    for seed in range(N_FILES):
        (path / f"{seed:02d}_250ksps.cs16").write_bytes(encode(qpsk(seed), SampleFormat.CI16))
    (path / "broken.wav").write_bytes(b"RIFF....WAVE")
    return path


@pytest.fixture
def cluster(monkeypatch):
    """Two machines, each of one processor, as processes of this one."""
    # Whatever else runs here must not get their work killed for want of memory.
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")
    from ray.cluster_utils import Cluster

    store = {"num_cpus": 1, "object_store_memory": 80 << 20}
    made = Cluster(initialize_head=True, head_node_args=store | {"include_dashboard": False})
    made.second = made.add_node(**store)
    yield made
    made.shutdown()


def kill_when(journal, n_done, cluster):
    """Let the second machine die once so many recordings are done."""

    def wait():
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if journal.exists() and (n := journal.read_bytes().count(b"\n") - 1) >= n_done:
                cluster.remove_node(cluster.second, allow_graceful=False)
                killed_at.append(n)
                return
            time.sleep(0.002)

    killed_at = []
    thread = threading.Thread(target=wait)
    thread.start()
    return thread, killed_at


def test_a_machine_dies_and_nothing_is_lost_or_done_twice(tmp_path, folder, cluster):
    alone, shared = tmp_path / "alone.csv", tmp_path / "shared.csv"
    assert classify(folder, "-o", alone).exit_code == 0
    thread, killed_at = kill_when(tmp_path / "shared.csv.partial", 4, cluster)
    done = classify(folder, "--cluster", cluster.address, "-o", shared)
    thread.join()
    assert done.exit_code == 0
    assert "Ray cluster of 2 processors" in done.stderr
    assert killed_at, "no machine was killed"
    assert killed_at[0] < N_FILES, "it was killed too late"
    rows = table(shared)
    assert [row["file"] for row in rows] == sorted(map(str, folder.iterdir()))
    assert shared.read_bytes() == alone.read_bytes()


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("127.0.0.1:1", SourceError, "a Ray cluster must be reachable at 127.0.0.1:1, and is not "
         "(Connection refused): start one with ray start --head"),
        ("anywhere", ConfigError, "cluster must be auto, HOST:PORT or ray://HOST:PORT, not "
         "'anywhere': write it so"),
    ],
)  # fmt: skip
def test_nobody_answers(address, kind, message):
    from boltmod.cluster.ray_cluster import RayCluster

    with pytest.raises(kind) as error:
        RayCluster(address)
    assert str(error.value) == message


def test_ray_is_not_installed(monkeypatch):
    import sys

    from boltmod.cluster.ray_cluster import RayCluster

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ToolNotFoundError) as error:
        RayCluster()
    assert str(error.value) == (
        "ray must be installed to work on a cluster, and is not: "
        "install it with pip install 'boltmod[cluster]'"
    )
