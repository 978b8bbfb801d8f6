"""How long a folder of recordings takes on one machine of a Ray cluster, on two, and when one dies.

    python bench/cluster.py [--files 200] [--samples 65536]

The machines are Ray nodes of one processor each, on this computer: they share its processors with
whatever else runs, which is why the load and the processors are printed. Times are from the request
to the last row, the start of Ray's workers included and that of the cluster not.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ray.cluster_utils import Cluster

from boltmod.cluster.ray_cluster import RayCluster
from boltmod.model import shipped
from boltmod.runtime.survey import Row, Search

_STORE_BYTES = 80 << 20
_DIES_AFTER = 0.25


def write_recordings(folder: Path, n_files: int, n_samples: int) -> list[Path]:
    """QPSK of 25 kBd, 37.5 kHz above the middle of 250 kHz, about 20 dB over the noise."""
    pulse = np.hanning(21)[1:-1]
    paths = []
    for number in range(n_files):
        rng = np.random.default_rng(number)
        symbols = np.zeros(n_samples, complex)
        symbols[::10] = 1j ** rng.integers(0, 4, len(symbols[::10]))
        wave = np.convolve(symbols, pulse, "same") * np.exp(0.3j * np.pi * np.arange(n_samples))
        wave += 0.05 * (rng.standard_normal(n_samples) + 1j * rng.standard_normal(n_samples))
        stored = np.stack([wave.real, wave.imag], 1) * 60
        path = folder / f"{number:04d}_250ksps.cs8"
        stored.round().clip(-128, 127).astype(np.int8).tofile(path)
        paths.append(path)
    return paths


def run(
    paths: list[Path], n_machines: int, dies: bool = False
) -> tuple[float, dict[Path, list[Row]]]:
    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": _STORE_BYTES}
    cluster: Any = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    others = [cluster.add_node(**node) for _ in range(n_machines - 1)]
    found: dict[Path, list[Row]] = {}
    try:
        with RayCluster(cluster.address) as ray:
            begun = time.perf_counter()
            for path, rows in ray.surveys(shipped.path_of("field"), Search(), paths):
                if path in found:
                    raise SystemExit(f"{path} came twice")
                found[path] = rows
                if dies and others and len(found) >= _DIES_AFTER * len(paths):
                    cluster.remove_node(others.pop(), allow_graceful=False)
            seconds = time.perf_counter() - begun
    finally:
        cluster.shutdown()
    if set(found) != set(paths):
        raise SystemExit(f"{len(paths) - len(found)} recordings were lost")
    return seconds, found


def main() -> None:
    # This computer's memory is not the machines': other work on it must not get their work killed.
    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--samples", type=int, default=65_536)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} processors, load {load:.1f} before", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_recordings(Path(folder), args.files, args.samples)
        one_s, one = run(paths, 1)
        print(f"one machine            {one_s:7.1f} s", flush=True)
        two_s, two = run(paths, 2)
        print(f"two machines           {two_s:7.1f} s", flush=True)
        dying_s, dying = run(paths, 2, dies=True)
        print(f"two, one of which dies {dying_s:7.1f} s", flush=True)
    same = one == two == dying
    n_right = sum(rows[0].class_name == "QPSK" and len(rows) == 1 for rows in one.values())
    print(
        f"rows are {'the same' if same else 'NOT the same'}; QPSK in {n_right} of {len(one)} files"
    )
    print(
        f"{args.files} recordings: one machine {one_s:.1f} s, two {two_s:.1f} s "
        f"({one_s / two_s:.2f} times as fast), with a death {dying_s:.1f} s, nothing lost or twice"
    )


if __name__ == "__main__":
    main()
