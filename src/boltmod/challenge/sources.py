"""The sources that go with a submission, and what it takes to run them again."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import boltmod

_PACKAGES = (
    "torch", "brevitas", "lightning-fabric", "safetensors", "onnxoptimizer", "onnxscript",
    "numpy", "scipy", "onnx", "onnxruntime", "qonnx", "h5py", "sigmf", "jsonschema", "typer",
    "rich", "pydantic", "matplotlib", "jaxtyping", "tomli-w",
)  # fmt: skip
_BESIDE = ("pyproject.toml", "constraints.txt", "LICENSE", "README.md", "Makefile")

DOCKERFILE = """\
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends build-essential \\
    && rm -rf /var/lib/apt/lists/*
WORKDIR /submission
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
ENV PYTHONPATH=/submission/source/src
ENTRYPOINT ["python", "-c", "from boltmod.cli.app import main; main()"]
CMD ["run", "recipe.toml", "--out", "/submission/run"]
"""


def source_files() -> dict[str, bytes]:
    """Collect boltmod's own sources: archive path to content."""
    package = Path(boltmod.__file__).parent
    files = {
        f"source/src/boltmod/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    root = package.parent.parent
    if (root / "pyproject.toml").is_file():
        files |= {
            f"source/{name}": (root / name).read_bytes()
            for name in _BESIDE
            if (root / name).is_file()
        }
    return files


def requirements() -> str:
    """The packages that are installed here, pinned."""
    lines = []
    for name in _PACKAGES:
        try:
            lines.append(f"{name}=={metadata.version(name).split('+')[0]}")
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"
