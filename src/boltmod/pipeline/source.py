"""Which source boltmod runs from: a commit of a checkout, changed or not, or a release."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import boltmod

_SECONDS = 10


@cache
def source(package: Path | None = None) -> str:
    """Return the source that runs, in words.

    Args:
        package: The package's folder; boltmod's own if None.

    Returns:
        `commit HASH`, `commit HASH with changes`, or `release` where no version control knows it.
    """
    folder = Path(boltmod.__file__).parent if package is None else package
    tracked = _git(folder, "ls-files", "--error-unmatch", "__init__.py")
    commit = _git(folder, "rev-parse", "HEAD") if tracked else None
    if not commit:
        installed = _installed_from() if package is None else None
        return f"commit {installed}" if installed else "release"
    changed = _git(folder, "status", "--porcelain", "--", ".")
    return f"commit {commit}" + (" with changes" if changed != "" else "")


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where there is no git, or no repository."""
    try:
        said = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words],
            capture_output=True, text=True, check=False, timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() if said.returncode == 0 else None


def _installed_from() -> str | None:
    """The commit that pip installed, where it was asked for one. Source: PEP 610."""
    try:
        text = metadata.distribution("boltmod").read_text("direct_url.json")
        commit = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return str(commit) if commit else None
