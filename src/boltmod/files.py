"""Writing files whole or not at all: beside their place first, then there in one step."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from boltmod.errors import ConfigError

_PIECES, _PIECE_BYTES = 64, 1 << 16


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; what lies there at the end takes `path`'s place.

    If the body fails, `path` stays as it was and nothing is left beside it. The name is nobody
    else's: of two that write the same file, one wins as a whole.
    """
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone(path: Path, wait: bool = True, keep: bool = True) -> Iterator[None]:
    """Hold a lock file by oneself; the system lets go of it, however the process ends.

    Args:
        path: The lock file, made if it is not there. It must hold nothing else.
        wait: Whether to wait until it is free.
        keep: Whether it stays there afterwards.

    Raises:
        BlockingIOError: Somebody holds it, and it is not waited for.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(f"{path} is held") from None
    try:
        yield
    finally:
        if not keep:
            _remove_held(path)
        lock.release()
        if not keep:
            _remove_held(path)


def _remove_held(path: Path) -> None:
    """Remove a lock file: before it is let go of where that can be, else (Windows) after."""
    with suppress(PermissionError):
        path.unlink(missing_ok=True)


@contextmanager
def held(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file, so that nobody else does the same work; it is made where there is none.

    Args:
        path: The file.
        busy: What to say where another process holds it.

    Raises:
        ConfigError: Another process does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(path, wait=False))
        except BlockingIOError:
            raise ConfigError(busy) from None
        yield


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, making its folder where there is none.

    Halves of characters, which JSON may hold and UTF-8 may not, are written out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON, whole or not at all."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def check_room(path: Path, n_bytes: int, way_out: str = "choose another disk") -> None:
    """Refuse to begin a file that there is no room for.

    Args:
        path: The file; its folder exists.
        n_bytes: What it will take.
        way_out: What to do about it, for the message.

    Raises:
        ConfigError: There is less.
    """
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        unit, name = (1e9, "GB") if n_bytes >= 1e8 else (1e6, "MB")
        raise ConfigError(
            f"{path} must have {n_bytes / unit:.1f} {name} of room, not {free / unit:.1f} {name}; "
            f"{way_out}"
        )


def reserve(path: Path) -> None:
    """Take the room on the disk that a file says it has, so that writing to it cannot fail.

    Raises:
        OSError: There is not so much.
    """
    if hasattr(os, "posix_fallocate") and (size := path.stat().st_size):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None


def refuse_same(target: Path, *sources: Path) -> None:
    """Refuse to write over what is being read, by whatever name.

    Raises:
        ConfigError: The target is one of the sources.
    """
    for source in sources:
        if target.exists() and source.exists() and os.path.samefile(target, source):
            raise ConfigError(
                f"{target} must be another file than {source}, which would be lost: "
                "choose another name"
            )


def refuse_existing(path: Path, force: bool) -> None:
    """Refuse to write over a file that is there.

    Raises:
        ConfigError: There is one, and nobody said that it may be replaced.
    """
    if path.exists() and not force:
        raise ConfigError(
            f"{path} must not exist yet: choose another name, or replace it with --force"
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """Return a digest of a file's size and of 64 pieces of it: of all of it, where it is small.

    It tells one data set from another without reading gigabytes.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for piece in range(_PIECES):
            file.seek(max(0, size - _PIECE_BYTES) * piece // (_PIECES - 1))
            digest.update(file.read(_PIECE_BYTES))
    return digest.hexdigest()


def check_target(path: Path, suffixes: Sequence[str], what: str = "output") -> None:
    """Refuse a file name that nothing can be written to, before anything is worked out.

    Args:
        path: Where the file shall be.
        suffixes: The endings that there is a way to write.
        what: What the file is, for the message.

    Raises:
        ConfigError: The ending is none of them, or the folder does not exist.
    """
    if path.suffix not in suffixes:
        raise ConfigError(f"{what} must end in {', '.join(suffixes)}, not {path.name!r}: rename it")
    if not path.parent.is_dir():
        raise ConfigError(f"{what} must lie in a folder that exists, not {path.parent}: make it")
