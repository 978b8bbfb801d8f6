import subprocess
from pathlib import Path

from boltmod.pipeline.environment import environment
from boltmod.pipeline.source import source


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def checkout(folder: Path) -> Path:
    package = folder / "src" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    git(folder, "init", "--quiet")
    git(folder, "add", "src")
    git(folder, "commit", "--quiet", "-m", "first")
    return package


def test_a_checkout_is_known_by_its_commit_and_its_changes(tmp_path: Path) -> None:
    package = checkout(tmp_path)
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert source(package) == f"commit {commit}"
    source.cache_clear()
    (package / "other.py").write_text("x = 1\n")
    assert source(package) == f"commit {commit} with changes"


def test_a_package_inside_somebody_s_repository_is_none_of_its_commits(tmp_path: Path) -> None:
    checkout(tmp_path)
    installed = tmp_path / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert source(installed) == "release"


def test_a_run_s_environment_names_the_source() -> None:
    assert environment()["source"] == source()
