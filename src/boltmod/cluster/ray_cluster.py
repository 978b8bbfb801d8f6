"""Recordings surveyed on the processors of a Ray cluster.

Ray gives a task that died with its machine to another one; whoever asks takes each result once.

Source: Ray documentation, "Task Fault Tolerance": a task is tried again `max_retries` times where
its worker or machine dies; small results lie with their owner, the process that asked.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from boltmod.errors import ConfigError, SourceError, ToolNotFoundError, first_line
from boltmod.model import onnx_file
from boltmod.runtime.session import Classifier
from boltmod.runtime.survey import Row, Search, shown, survey

AUTO = "auto"
_TRIES = 5
"""How often a recording is tried anew whose worker or machine died."""
_WAITING_PER_PROCESSOR = 4
_POLL_S = 1.0
_PATIENCE_S = 5.0


class RayCluster:
    """A connection to a Ray cluster; use it as a context manager.

    Args:
        address: HOST:PORT or ray://HOST:PORT; `auto` for the cluster that runs here, or one of
            this machine's processors, started for the purpose, if none does.

    Raises:
        ToolNotFoundError: Ray is not installed.
        ConfigError: The address is none.
        SourceError: Nobody answers there.
    """

    def __init__(self, address: str = AUTO) -> None:
        self._ray = _import_ray()
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address != AUTO:
            _check(address)
        try:
            self._ray.init(address=address, **quiet)
            self.about = f"Ray cluster of {self._n_processors} processors"
        except (ConnectionError, ValueError, RuntimeError) as error:
            if address != AUTO or not isinstance(error, ConnectionError):
                raise _unreachable(address, error) from None
            self._ray.init(include_dashboard=False, **quiet)
            self.about = f"no Ray cluster runs: {self._n_processors} processors of this machine"

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, *ended: object) -> None:
        self._ray.shutdown()

    @property
    def _n_processors(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def surveys(
        self, model: Path, search: Search, paths: Sequence[Path]
    ) -> Iterator[tuple[Path, list[Row]]]:
        """Survey recordings, as many at a time as there are processors.

        Args:
            model: The classifier's file; it is sent to the machines.
            search: What is looked for.
            paths: The recordings, which every machine must see by these names.

        Yields:
            Each recording and its rows, once, as they get ready.
        """
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=_TRIES)(_survey)
        content = ray.put(model.read_bytes())
        waiting: dict[Any, Path] = {}
        left = list(reversed(paths))
        while left or waiting:
            # Asked anew each time, for machines come and go.
            while left and len(waiting) < _WAITING_PER_PROCESSOR * max(1, self._n_processors):
                path = left.pop()
                waiting[
                    task.remote(content, model.stem, search, str(path.resolve()), str(path))
                ] = path
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=_POLL_S)
            for each in ready:
                path = waiting.pop(each)
                yield path, self._rows(each, path)

    def _rows(self, reference: Any, path: Path) -> list[Row]:
        try:
            rows: list[Row] = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            failed = f"no machine could read it in {_TRIES} tries: {first_line(error)}"
            return [Row(shown(path), error=failed)]
        return rows


def _check(address: str) -> None:
    """Refuse an address where nobody listens, for which Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(
            f"cluster must be auto, HOST:PORT or ray://HOST:PORT, not {address!r}: write it so"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_S).close()
    except OSError as error:
        raise _unreachable(address, error.strerror or error) from None


def _unreachable(address: str, reason: object) -> SourceError:
    return SourceError(
        f"a Ray cluster must be reachable at {address}, and is not ({first_line(reason)}): "
        "start one with ray start --head"
    )


def _survey(content: bytes, name: str, search: Search, place: str, file: str) -> list[Row]:
    """What a machine does with one recording."""
    classifier = _classifier(hashlib.sha256(content).hexdigest(), name, content)
    return [replace(row, file=shown(file)) for row in survey(classifier, search, Path(place))]


_models: dict[str, Classifier] = {}


def _classifier(digest: str, name: str, content: bytes) -> Classifier:
    """A network that this process has made ready, once."""
    if digest not in _models:
        proto = onnx.load_model_from_string(content)
        _models[digest] = Classifier(onnx_file.from_proto(proto, Path(f"{name}.onnx")), threads=1)
    return _models[digest]


def _import_ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise ToolNotFoundError(
            "ray must be installed to work on a cluster, and is not: "
            "install it with pip install 'boltmod[cluster]'"
        ) from None
    return ray
