"""Work on a stranger's file in a process of its own, within limits.

A file can lead a C library into an endless loop, into all of the memory, or past the end of it.
Here it then ends that process alone, and the user gets one line. The process may use 2 GB and 60 s
unless it is told otherwise, has no network, and answers in JSON, which runs no code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from boltmod import errors
from boltmod.errors import BoltmodError, DataFormatError, first_line

_CHILD = "from boltmod.confined import serve; serve()"
_MOST_ANSWER_BYTES = 256 << 20
_WRITTEN_BYTES = 1 << 30
_LOOK_EVERY_S = 0.25
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


@dataclass(frozen=True)
class Limits:
    """What a stranger's file may cost.

    Args:
        seconds: Time on the clock, without that in which others had the processor.
        memory_bytes: Memory that the process may ask for.
    """

    seconds: float = 60.0
    memory_bytes: int = 2 << 30


class BeyondLimitsError(DataFormatError):
    """A process died of a stranger's file, or went beyond its limits."""


class ConfinedError(Exception):
    """A defect of boltmod that showed in the other process, with its traceback."""


Progress = Callable[[int, int], None]


def confined(
    target: str,
    *arguments: Any,
    about: Path | str,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Any:
    """Call a function in a process of its own.

    Args:
        target: The function, as `module:name`; it takes the arguments, and then, if `progress` is
            given, a function like that.
        arguments: What JSON can hold.
        about: The stranger's file, for messages.
        limits: What it may cost.
        progress: Called with (done, to do).

    Returns:
        What the function returned, in JSON's types.

    Raises:
        BeyondLimitsError: The process died, or went beyond a limit.
        BoltmodError: What the function raised.
        ConfinedError: It raised anything else.
    """
    limits = limits or Limits()
    job = {
        "target": target,
        "arguments": arguments,
        "memory_bytes": limits.memory_bytes,
        "seconds": limits.seconds,
        "tells": progress is not None,
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        watch = _Watch(process, limits.seconds)
        watch.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job).encode() + b"\n")
                process.stdin.close()
            answer = _answer(process.stdout, progress)
        finally:
            watch.ended.set()
            process.kill()
    if answer is None:
        reason = "needs longer" if watch.is_overdue else f"ended it ({_cause(process.returncode)})"
        raise _beyond(about, limits, reason)
    return _taken(answer, about, limits)


class _Watch(threading.Thread):
    """Ends a process that has had its time.

    Time in which it could go on and others had the processor is not counted: on a machine that has
    much to do, an honest file is no slower than it is.

    Args:
        process: The process.
        seconds: How long it may take.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.is_overdue = False
        self._process, self._left_s = process, seconds

    def run(self) -> None:
        """Look at it now and then."""
        then, used_s = time.monotonic(), 0.0
        while not self.ended.wait(_LOOK_EVERY_S):
            now, (is_waiting, used_now_s) = time.monotonic(), _standing(self._process.pid)
            passed_s = now - then
            self._left_s -= min(passed_s, used_now_s - used_s) if is_waiting else passed_s
            then, used_s = now, used_now_s
            if self._left_s <= 0:
                self.is_overdue = True
                self._process.kill()
                return


def _standing(pid: int) -> tuple[bool, float]:
    """Whether a process could go on, and the processor time that it has had; nothing if unknown.

    Source: proc(5), `/proc/[pid]/stat`: state, utime and stime.
    """
    try:
        tasks = [
            path.joinpath("stat").read_text().rpartition(") ")[2].split()
            for path in Path(f"/proc/{pid}/task").iterdir()
        ]
        whole = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return False, 0.0
    ticks = int(whole[11]) + int(whole[12])
    return any(task[0] == "R" for task in tasks), ticks / os.sysconf("SC_CLK_TCK")


def _answer(pipe: IO[bytes], progress: Progress | None) -> dict[str, Any] | None:
    """The last line that comes; None if the process ends without one."""
    while line := pipe.readline(_MOST_ANSWER_BYTES):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        if "progress" not in document:
            return document
        if progress is not None:
            progress(*map(int, document["progress"]))
    return None


def _taken(answer: dict[str, Any], about: Path | str, limits: Limits) -> Any:
    if "result" in answer:
        return answer["result"]
    if "memory" in answer:
        raise _beyond(about, limits, "needs more memory")
    kind = getattr(errors, str(answer.get("error")), None)
    if isinstance(kind, type) and issubclass(kind, BoltmodError):
        raise kind(str(answer.get("message")))
    raise ConfinedError(str(answer.get("defect")))


def _beyond(about: Path | str, limits: Limits, reason: str) -> BeyondLimitsError:
    return BeyondLimitsError(
        f"{about} must be read by a process of {limits.memory_bytes >> 30} GB within "
        f"{limits.seconds:g} s, and {reason}: take another file, or give it more time with --limit"
    )


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def serve() -> None:
    """What the other process does: read a job, keep within its limits, answer."""
    job = json.loads(sys.stdin.buffer.readline())
    # What a library prints goes nowhere: the pipe is for answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    confine(Limits(float(job["seconds"]), int(job["memory_bytes"])))

    def answer(document: dict[str, Any]) -> None:
        content = memoryview(json.dumps(document, allow_nan=False, default=_plain).encode() + b"\n")
        while content:
            content = content[answers.write(content) :]

    def tell(done: int, total: int) -> None:
        answer({"progress": [done, total]})

    try:
        module, _, name = str(job["target"]).partition(":")
        function = getattr(importlib.import_module(module), name)
        answer({"result": function(*job["arguments"], *([tell] if job["tells"] else []))})
    except BoltmodError as error:
        answer({"error": type(error).__name__, "message": str(error)})
    except MemoryError:
        answer({"memory": True})
    except OSError as error:
        answer({"error": "DataFormatError", "message": f"{first_line(error)}: check the path"})
    except BaseException:  # noqa: BLE001  whatever it is, the other side shows it
        answer({"defect": traceback.format_exc()})
    finally:
        os._exit(0)  # a library that is damaged by now may not run its own ending


def confine(limits: Limits) -> None:
    """Put limits on this process, for good, and cut it off the network."""
    with suppress(ImportError):
        import resource

        seconds = int(limits.seconds) + 1
        for name, value in (
            ("RLIMIT_DATA", limits.memory_bytes),
            ("RLIMIT_CPU", seconds * (os.cpu_count() or 1)),
            ("RLIMIT_FSIZE", _WRITTEN_BYTES),
            ("RLIMIT_CORE", 0),
        ):
            _limit(resource, name, value)
    _leave_network()
    sys.addaudithook(_refuse_network)


def _limit(resource: Any, name: str, value: int) -> None:
    kind = getattr(resource, name, None)
    if kind is not None:
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (bound, bound))


def _leave_network() -> None:
    """Go into a network of its own, without a way out, where the system allows that."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        raise PermissionError(f"{event} is not for a process that reads a stranger's file")


def _plain(value: Any) -> Any:
    """What JSON has no form for and the answer holds: paths and NumPy's numbers."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
