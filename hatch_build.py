"""The package's build hook: the wheel holds what is written in C, compiled.

Without a C compiler the wheel is made without it; such an install compiles the kernels at first
use, or does without. BOLTMOD_KERNEL=required makes that an error, for releases. An editable install
has none either: its kernels follow the source.
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


class KernelHook(BuildHookInterface[Any]):
    """Compiles the kernels into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the kernels and have them included, and the wheel's tag name its platform."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        source = Path(self.root) / "src"
        compiling = _compiling(source / "boltmod" / "native" / "compiling.py")
        for kernel in compiling.KERNELS:
            library = Path(self._folder.name) / kernel.library.name
            try:
                compiling.compile_library(kernel, library)
            except compiling.NoKernelError as error:
                if os.environ.get("BOLTMOD_KERNEL") == "required":
                    raise
                self.app.display_warning(f"boltmod is built without its {kernel.name}: {error}")
                return
            place = kernel.library.relative_to(source.resolve()).as_posix()
            build_data["force_include"][str(library)] = place
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
    sys.modules[spec.name] = module  # where its dataclasses look their annotations up
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
