"""The one place where a library meets a stranger's bytes.

What a library is known to raise on damaged or hostile bytes becomes one error of boltmod's, in one
line. Whatever else it raises is a defect of boltmod: it goes on as it is, with a note that names
the file by its digest, so that whoever reports it can say which file it was.

Nothing here trusts a length that a file states: files are read up to a bound that is given.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import struct
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boltmod.errors import BoltmodError, DataFormatError, first_line

MOST_TEXT_BYTES = 64 << 20
"""Of a text that is read whole: metadata of a recording of a million annotations have a third."""

_COMMON: tuple[type[Exception], ...] = (
    OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, RecursionError,
    MemoryError, struct.error,
)  # fmt: skip


def _of_archives() -> tuple[type[Exception], ...]:
    return (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, NotImplementedError,
        RuntimeError, AssertionError, AttributeError,
    )  # fmt: skip


def _of_hdf5() -> tuple[type[Exception], ...]:
    # h5py gives the C library's errors the type that fits their class, RuntimeError where none
    # does, and SystemError where one was lost on the way.
    return (RuntimeError, NotImplementedError, AttributeError, SystemError)


def _of_numpy() -> tuple[type[Exception], ...]:
    from tokenize import TokenError  # an array's header is Python

    return (SyntaxError, TokenError, *_of_archives())


def _of_onnx() -> tuple[type[Exception], ...]:
    import onnx
    from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]

    return (
        DecodeError, EncodeError, onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError, RuntimeError, AttributeError, NotImplementedError,
    )  # fmt: skip


def _of_onnxruntime() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (each for each in vars(state).values() if isinstance(each, type))
    return (RuntimeError, *(each for each in kinds if issubclass(each, Exception)))


def _of_qonnx() -> tuple[type[Exception], ...]:
    return (Exception,)  # its own code raises bare Exception and AssertionError


def _of_safetensors() -> tuple[type[Exception], ...]:
    from safetensors import SafetensorError

    return (SafetensorError, RuntimeError, AttributeError)


def _of_torch() -> tuple[type[Exception], ...]:
    import pickle

    return (pickle.UnpicklingError, RuntimeError, AttributeError, AssertionError,
            NotImplementedError, ImportError, *_of_archives())  # fmt: skip


def _of_sigmf() -> tuple[type[Exception], ...]:
    from jsonschema import SchemaError, ValidationError  # type: ignore[import-untyped]
    from sigmf.error import SigMFError

    return (SigMFError, ValidationError, SchemaError, AttributeError)


_KNOWN: dict[str, Callable[[], tuple[type[Exception], ...]]] = {
    "archives": _of_archives,
    "h5py": _of_hdf5,
    "numpy": _of_numpy,
    "onnx": _of_onnx,
    "onnxruntime": _of_onnxruntime,
    "qonnx": _of_qonnx,
    "safetensors": _of_safetensors,
    "sigmf": _of_sigmf,
    "torch": _of_torch,
    "python": lambda: (AttributeError, tomllib.TOMLDecodeError),
}
"""What each library raises on bytes that are not what they should be, beside what all do."""


@contextmanager
def read_by(
    library: str,
    path: Path,
    rule: str,
    way_out: str,
    error: type[BoltmodError] = DataFormatError,
    told: Callable[[str], str] | None = None,
) -> Iterator[None]:
    """Let a library read a stranger's file in the body.

    Args:
        library: Which one, of `h5py`, `onnx` and so on; `python` for json, tomllib and struct.
        path: The file.
        rule: What it must be, for the message.
        way_out: What to do about it, for the message.
        error: What is raised where it is none.
        told: Makes the whole message of what the library said, where the usual one does not fit.

    Raises:
        BoltmodError: The library refused the file, or could not hold what it asks for.
    """
    try:
        yield
    except BoltmodError:
        raise
    except (*_COMMON, *_KNOWN[library]()) as reason:
        text = said(reason)
        usual = f"{path} must be {rule}, which it is not ({text}): {way_out}"
        raise error(usual if told is None else told(text)) from None
    except Exception as defect:
        defect.add_note(
            "This is a defect of boltmod, which must read a file or refuse it in one line. Please "
            f"report it with the file {path}, {digest_of(path)}."
        )
        raise


def said(reason: BaseException) -> str:
    """What an error says, on one line that is no longer than one."""
    if isinstance(reason, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(reason, RecursionError):
        return "it is nested too deep"
    is_key = isinstance(reason, KeyError) and bool(reason.args)
    text = first_line(f"there is no {reason}" if is_key else reason)
    return text if len(text) <= 200 else f"{text[:200]}..."


def digest_of(path: Path) -> str:
    """The SHA-256 of a file in words."""
    try:
        with path.open("rb") as file:
            return f"SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError:
        return "which cannot be read again"


def read_bytes(
    path: Path, most_bytes: int, what: str, error: type[BoltmodError] = DataFormatError
) -> bytes:
    """Read a whole file that must not be larger than it is likely to be.

    Args:
        path: The file; a pipe or a device is read up to the bound.
        most_bytes: The bound.
        what: What it is to be, for the message.
        error: What is raised where it is larger.

    Raises:
        BoltmodError: It is larger.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise error(
            f"{path} must be {what} of at most {most_bytes >> 20} MiB, and is larger: "
            "check the name"
        )
    return content


def parse_json(text: bytes | str, path: Path, what: str = "JSON") -> Any:
    """Parse JSON of any origin.

    Raises:
        DataFormatError: It is none, is nested too deep, or is not UTF-8.
    """
    with read_by("python", path, what, "write it again"):
        return json.loads(text)


def parse_toml(
    text: bytes, path: Path, error: type[BoltmodError] = DataFormatError
) -> dict[str, Any]:
    """Parse TOML of any origin.

    Raises:
        BoltmodError: It is none, is nested too deep, or is not UTF-8.
    """
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as reason:
        raise error(f"{path}: not TOML: {said(reason)}") from None


_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""What a terminal obeys in place of showing it: C0 and C1 controls but for tab and line feed, and
marks that turn the direction of writing; and halves of characters, which have no bytes."""


def visible(text: str) -> str:
    """A text of a stranger's as it can be printed: what a terminal would obey is written out."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
