"""boltmod as a plugin of IQEngine: its page sends a piece of a recording and gets annotations.

Source: IQEngine, `plugins/src/plugins_api.py`, `plugins/src/models/models.py` and
`client/src/api/plugin/run.tsx` of 2024 (github.com/IQEngine/IQEngine).
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from boltmod.errors import BoltmodError, ConfigError, first_line
from boltmod.recording.arrays import ArrayRecording
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.classify import classify
from boltmod.runtime.found_signal import FoundSignal
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.signal_detail import KEY, detail_of

NAME = "boltmod"
_PREFIX = "iq/"
_MOST_BYTES = 1 << 28
_MOST_JOBS = 32
"""Jobs whose result can be fetched; of those that are working, one does and the others wait."""
_PARAMETERS = {
    "min_probability": {
        "title": "Probability, at least",
        "type": "number",
        "default": 0.0,
        "value": 0.0,
    },
}


@dataclass
class _Job:
    """A piece that is classified.

    Args:
        file_name: What it was called.
    """

    file_name: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    progress: int = 0
    error: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """As IQEngine's `JobStatus`."""
        return {
            "job_id": self.id,
            "function_name": NAME,
            "file_name": self.file_name,
            "progress": self.progress,
            "error": self.error,
        }

    def result(self) -> dict[str, Any]:
        """As IQEngine's `Output`."""
        return {"job_status": self.status(), "annotations": self.annotations}


class _Jobs:
    """Pieces that were sent, one of which is classified at a time."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._known: OrderedDict[str, _Job] = OrderedDict()
        self._working = threading.Lock()

    def of(self, request: Request) -> _Job | None:
        """The job that a request is about; None if it is not remembered."""
        return self._known.get(request.path_params["id"])

    def begin(self, content: bytes, told: Mapping[str, Any], least: float) -> _Job:
        """Classify a piece in a thread.

        Raises:
            ConfigError: What is told of it is wrong.
        """
        recording = _recording(content, told)
        job = _Job(str(told.get("file_name", "")))
        self._known[job.id] = job
        while len(self._known) > _MOST_JOBS:
            self._known.popitem(last=False)
        threading.Thread(target=self._work, args=(job, recording, least), daemon=True).start()
        return job

    def _work(self, job: _Job, recording: ArrayRecording, least: float) -> None:
        try:
            with self._working:
                found = classify(recording, self._classifier, channel="auto")
            named = [each for each in found.signals if (each.probability or 0.0) >= least]
            centre_hz = recording.centre_hz or 0.0
            job.annotations = [_annotation(each, centre_hz) for each in named]
        except BoltmodError as error:
            job.error = first_line(error)
        except Exception as error:
            job.error = f"boltmod's fault: {first_line(error)}"
            raise
        finally:
            job.progress = 100


def plugin(classifier: Classifier, origin: str) -> Starlette:
    """Make the application that IQEngine's page asks, to be mounted at /plugins.

    Args:
        classifier: The network.
        origin: Where that page comes from, such as https://iqengine.org.
    """
    jobs = _Jobs(classifier)

    async def names(request: Request) -> Response:
        return JSONResponse([NAME])

    async def definition(request: Request) -> Response:
        return JSONResponse(_PARAMETERS)

    async def run(request: Request) -> Response:
        if int(request.headers.get("content-length", _MOST_BYTES + 1)) > _MOST_BYTES:
            return _refused(f"iq_file must have at most {_MOST_BYTES:,} bytes: send less", 413)
        try:
            async with request.form(max_files=1, max_fields=8) as form:
                content, told, parameters = await _parts(form)
                least = float(parameters.get("min_probability", 0.0))
            job = await asyncio.to_thread(jobs.begin, content, told, least)
        except (BoltmodError, ValueError, TypeError) as error:
            return _refused(first_line(error), 400)
        return JSONResponse(job.status())

    async def status(request: Request) -> Response:
        job = jobs.of(request)
        return _refused("job is not remembered", 404) if job is None else JSONResponse(job.status())

    async def result(request: Request) -> Response:
        job = jobs.of(request)
        if job is None:
            return _refused("job is not remembered", 404)
        if job.progress < 100 or job.error:
            return _refused(job.error or "job is not complete", 400)
        return JSONResponse(job.result())

    cors = Middleware(
        CORSMiddleware, allow_origins=[origin], allow_methods=["GET", "POST"],
        allow_headers=["*"], allow_private_network=True,
    )  # fmt: skip
    return Starlette(
        routes=[
            Route("/", names),
            Route(f"/{NAME}", definition, methods=["GET"]),
            Route(f"/{NAME}", run, methods=["POST"]),
            Route("/{id}/status", status),
            Route("/{id}/result", result),
        ],
        middleware=[cors],
    )


async def _parts(form: FormData) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """The samples' bytes, what is told of them, and the parameters.

    Raises:
        ConfigError: One is missing.
        ValueError: It is no JSON.
    """
    file = form.get("iq_file") or form.get("iq_files")
    told = form.get("metadata_file") or form.get("metadata_files")
    if not isinstance(file, UploadFile) or not isinstance(told, str):
        raise ConfigError("iq_file and metadata_file must be sent: the samples, and JSON")
    parameters = json.loads(str(form.get("custom_params") or "{}"))
    return await file.read(), dict(json.loads(told)), dict(parameters)


def _recording(content: bytes, told: Mapping[str, Any]) -> ArrayRecording:
    sample_format = SampleFormat.named(str(told.get("data_type", "")).removeprefix(_PREFIX))
    whole = len(content) // sample_format.sample_bytes * sample_format.sample_bytes
    samples = sample_format.decode(content[:whole])
    rate_hz, centre_hz = float(told.get("sample_rate") or 0), told.get("center_freq")
    return ArrayRecording(
        samples.real if sample_format.is_real else samples,
        rate_hz if rate_hz > 0 else None,
        None if centre_hz is None else float(centre_hz),
        "the piece that was sent",
    )


def _annotation(found: FoundSignal, centre_hz: float) -> dict[str, Any]:
    middle_hz, half_hz = centre_hz + found.offset_hz, found.bandwidth_hz / 2
    probability = "" if found.probability is None else f"probability {found.probability:.3f}, "
    detail = detail_of(found.class_name or "")
    return {
        "core:sample_start": found.first_sample,
        "core:sample_count": found.end_sample - found.first_sample,
        "core:freq_lower_edge": middle_hz - half_hz,
        "core:freq_upper_edge": middle_hz + half_hz,
        "core:label": found.class_name or "signal",
        "core:generator": NAME,
        "core:comment": f"{probability}{found.symbol_rate_hz:.6g} symbols a second",
    } | ({KEY: detail} if detail else {})


def _refused(reason: str, code: int) -> Response:
    return JSONResponse({"detail": reason}, code)
