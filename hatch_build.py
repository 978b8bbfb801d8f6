"""The package's build hook: the wheel holds the integer engine's kernel, compiled.

Without a C compiler the wheel is made without it; such an install compiles the kernel at first use,
or runs networks in ONNX Runtime. BOLTMOD_KERNEL=required makes that an error, for releases. An
editable install has none either: its kernel follows the source.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

_ENGINE = "integer/engine"


class KernelHook(BuildHookInterface[Any]):
    """Compiles the kernel into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernel and have it included, and the wheel's tag name its platform."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        compiling = _compiling(Path(self.root) / "src" / "boltmod" / _ENGINE / "compiling.py")
        library = Path(self._folder.name) / compiling.LIBRARY_NAME
        try:
            compiling.compile_library(library)
        except compiling.NoKernelError as error:
            if os.environ.get("BOLTMOD_KERNEL") == "required":
                raise
            self.app.display_warning(f"boltmod is built without its integer engine: {error}")
            return
        build_data["force_include"][str(library)] = f"boltmod/{_ENGINE}/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled: the wheel holds it."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _compiling(path: Path) -> ModuleType:
    """Load the module by its path: the package is not installed yet."""
    spec = importlib.util.spec_from_file_location("compiling", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _platform() -> str:
    """The platform's tag: the library needs no Python, so neither its version nor its ABI.

    On Linux it is the plain one, which auditwheel makes manylinux.
    """
    tags = [tag for tag in platform_tags() if not tag.startswith(("manylinux", "musllinux"))]
    if sys.platform == "darwin":
        from hatchling.builders.macos import process_macos_plat_tag

        return str(process_macos_plat_tag(tags[0], compat=False))
    return tags[0]
