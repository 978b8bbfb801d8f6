"""The tutorials run as they stand: their files, scripts and commands, in their order."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app

TUTORIALS = sorted((Path(__file__).resolve().parents[2] / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"(?:^`([\w.]+)`:\n)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """File name, language and content of each block that says a language."""
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield found[1] or "", found[2], found[3]


def shape(line: str) -> str:
    """A line whose figures may be others."""
    return re.sub(r"[\d.,]+(?:e[+-]\d+)?", "0", line).strip()


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ""
    for name, language, content in blocks(page):
        if name:
            Path(name).write_text(content)
        if language == "python":
            exec(compile(content, name or page.name, "exec"), {"__name__": "tutorial"})
        elif language == "sh":
            for line in content.splitlines():
                words = shlex.split(line)
                assert words[0] == "boltmod"
                monkeypatch.setattr(sys, "argv", words)
                done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
                assert done.exit_code == 0, f"{line}\n{done.output}"
                said += done.output
        elif language == "text":
            told = {shape(line) for line in said.splitlines()}
            assert {shape(line) for line in content.splitlines()} <= told


def test_the_tutorials_are_three() -> None:
    assert [page.stem for page in TUTORIALS] == ["hardware", "researcher", "sdr"]
