"""Where everything lies in a search folder: the one table of its file names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from boltmod.files import alone
from boltmod.run_folder import RunFolder


@dataclass(frozen=True)
class SearchFolder:
    """The folder that `boltmod search` leaves behind.

    Args:
        path: The folder itself; its files are properties, none of which need exist yet.
    """

    path: Path

    @property
    def storage(self) -> str:
        """The storage used where no other is named: an SQLite file in the folder."""
        return f"sqlite:///{(self.path / 'search.sqlite3').absolute()}"

    @property
    def page(self) -> Path:
        """Picture and table (one HTML file that opens offline)."""
        return self.path / "search.html"

    @property
    def picture(self) -> Path:
        """Accuracy over score (PNG)."""
        return self.path / "search.png"

    @property
    def recipes(self) -> Path:
        """Folder of the best trials' recipes."""
        return self.path / "recipes"

    @property
    def gate(self) -> Path:
        """Held by the worker that is taking a trial."""
        return self.path / "workers" / "gate.lock"

    def trial(self, number: int) -> RunFolder:
        """A trial's run folder, which `boltmod run` can go on with."""
        return RunFolder(self.path / "trials" / f"{number:04d}")

    def recipe(self, number: int) -> Path:
        """A trial's recipe, if it is one of the best."""
        return self.recipes / f"trial-{number:04d}.toml"

    def log(self, worker: int) -> Path:
        """What a worker had to say."""
        return self.path / "workers" / f"{worker}.log"

    def life(self, name: str) -> Path:
        """A file that a worker holds locked as long as it lives."""
        return self.path / "workers" / f"{name}.alive"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file locked; the system lets go of it, however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        yield


def is_free(path: Path) -> bool:
    """Whether a file that was once locked is so no longer."""
    if not path.exists():
        return False
    try:
        with alone(path, wait=False):
            return True
    except BlockingIOError:
        return False
