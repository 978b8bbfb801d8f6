"""What README and docs show, runs."""

import re
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import typer.main

from boltmod.cli.app import app
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.modulation import CLASSES
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for code in re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            found.append((page.name, code))
    return found


def commands() -> list[tuple[str, str]]:
    """Every `boltmod …` in code, one line each."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for code in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in re.findall(r"^(?:\.venv/bin/)?(boltmod .*)$", code, re.MULTILINE):
                found.add((page.name, line))
        for line in re.findall(r"`(boltmod [^`\n]+)`", text):
            found.add((page.name, line))
    return sorted(found)


@pytest.fixture(scope="module")
def folder_with_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    torch.manual_seed(1)
    network = BacalhauNet(
        BacalhauNetConfig(channels=(4, 4), kernel_sizes=(5, 3), strides=(2, 1), pool=8)
    )
    path = folder / "runs" / "demo" / "model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(trace(network, Metadata(classes=CLASSES)), path)
    make(Plan(frames_per_cell=10, seed=1), folder / "twin.hdf5")
    return folder


@pytest.mark.parametrize(("page", "code"), snippets("python"))
def test_python_snippets_run(
    page: str, code: str, folder_with_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder_with_files)
    exec(compile(code, page, "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_and_their_options_exist(page: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = line.split("#")[0].replace(",", " ").split()[1:]
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or not words, f"{page}: {line}"
    known = {name for parameter in command.params for name in parameter.opts}
    known |= {name for parameter in command.params for name in parameter.secondary_opts}
    asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert asked <= known | {"--help"}, f"{page}: {line}"


def test_the_readme_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 120


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
