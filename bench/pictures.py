"""The pictures of README and docs, made of what boltmod itself writes.

    python bench/pictures.py --run runs/demo --out docs/pictures

`waterfall.png` is what `boltmod classify --picture` draws of the receiver tutorial's recording,
`leaderboard.png` accuracy against score of all that is published and of boltmod's own networks,
`report.png` the head of a run's report, as Chromium shows it. The last line has their sizes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorials" / "sdr.md"
COLOURS = 32
"""Of a picture: what is drawn has few, and noise needs no more."""


def main() -> None:
    arguments = parser().parse_args()
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waterfall(folder, out / "waterfall.png")
        boltmod(folder, "leaderboard", "--picture", "leaderboard.png")
        smaller(folder / "leaderboard.png", out / "leaderboard.png", 1000)
        if arguments.run is not None:
            report(arguments.run.resolve() / "report.html", folder / "report.png")
            smaller(folder / "report.png", out / "report.png", 900)
    sizes = (f"{each.name} {each.stat().st_size / 1000:.0f} kB" for each in sorted(out.iterdir()))
    print(", ".join(sizes))


def boltmod(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "boltmod", *words], cwd=folder, check=True)


def waterfall(folder: Path, out: Path) -> None:
    """The receiver tutorial's recording, classified."""
    code = re.search(
        r"^```python\n(.*?)^```", TUTORIAL.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert code is not None
    subprocess.run([sys.executable, "-c", code[1]], cwd=folder, check=True)
    recording = next(folder.glob("*.raw"))
    boltmod(folder, "classify", recording.name, "--picture", "waterfall.png")
    smaller(folder / "waterfall.png", out, 800)


def report(page: Path, out: Path) -> None:
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars",
         "--window-size=1200,1250", f"--screenshot={out}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip


def smaller(source: Path, target: Path, width: int) -> None:
    """A picture of fewer dots and colours."""
    with Image.open(source) as picture:
        ratio = min(1.0, width / picture.width)
        size = (round(picture.width * ratio), round(picture.height * ratio))
        shrunk = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        shrunk.quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE).save(target, optimize=True)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--run", type=Path, help="a finished run, whose report is shown")
    found.add_argument("--out", type=Path, default=Path("docs/pictures"))
    return found


if __name__ == "__main__":
    main()
