"""Classify frames by the installed boltmod's own kernel; what a wheel is tried with.

It is run by itself, where nothing of the repository is in the way, and ends with an error unless
the engine is there and says what numpy says.
"""

import sys
from pathlib import Path

import boltmod
from boltmod.integer.build import build
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.engine.engine import Engine
from boltmod.integer.execute import execute
from boltmod.model import onnx_file
from boltmod.native import compiling, library
from boltmod.runtime.session import Classifier


def main() -> None:
    package = Path(boltmod.__file__).parent
    for kernel in compiling.KERNELS:
        if not kernel.library.exists():
            sys.exit(f"{package} does not hold {kernel.library}")
    model, frames = onnx_file.load(Path("boltnet")), keyed_frames(8)
    program = build(model)
    wanted = execute(program, frames)
    for width in library.load(compiling.ENGINE).widths:
        if not (Engine(program, width).scores(frames) == wanted).all():
            sys.exit(f"{width} differs from numpy")
        print(width)
    classifier = Classifier(model, threads=1)
    classes = [classifier.classes[n] for n in classifier.logits(frames).argmax(1)]
    print(package, classifier.engine, *classes)


if __name__ == "__main__":
    main()
