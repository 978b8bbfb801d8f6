"""The wheel holds what is written in C, compiled: nobody who installs it needs a compiler."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from boltmod.native import compiling
from c_compiler import needs_compiler

TESTS = Path(__file__).parents[1]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, *command], cwd=TESTS.parent, env=os.environ | environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran


def build_wheel(folder: Path, **environment: str) -> Path:
    """Build the wheel from the source, with the packages that are here."""
    run(["-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


@needs_compiler
@pytest.mark.slow
def test_an_installed_wheel_needs_no_compiler(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, BOLTMOD_KERNEL="required")
    package = Path(compiling.__file__).parents[1]
    for kernel in compiling.KERNELS:
        assert f"boltmod/{kernel.library.relative_to(package).as_posix()}" in names_in(wheel)
    name, _, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("boltmod", "py3", "none")
    assert platform != "any"
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    cache, nothing = tmp_path / "cache", tmp_path / "nothing"
    nothing.mkdir()
    said = run(
        [str(TESTS / "classify_installed.py")],
        PYTHONPATH=str(site), PATH=str(nothing), CC="", XDG_CACHE_HOME=str(cache),
    ).stdout.splitlines()  # fmt: skip
    assert said[-1].startswith(f"{site / 'boltmod'} integer ")
    assert len(said[-1].split()) == 2 + 8
    kept = [each for each in cache.rglob("*") if each.is_file()]
    assert {each.suffix for each in kept} == {".npz"}  # what was worked out of models, no kernel


@pytest.mark.slow
def test_without_a_compiler_the_wheel_is_built_without_the_kernel(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    wheel = build_wheel(tmp_path, PATH=str(nothing), CC="")
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not [name for name in names_in(wheel) if name.endswith((".so", ".dll"))]
