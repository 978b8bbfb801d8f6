"""The engine says to the bit what numpy says, however the frames come."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boltmod.errors import ConfigError, ToolNotFoundError, UnsupportedOperatorError
from boltmod.integer import build as build_module
from boltmod.integer import form
from boltmod.integer.build import build
from boltmod.integer.c.folder import keyed_frames
from boltmod.integer.engine import engine as engine_module
from boltmod.integer.engine.engine import Engine, of_model, prepare
from boltmod.integer.engine.estimate import Staircase, by_floats
from boltmod.integer.engine.prepared import keep, kept
from boltmod.integer.engine.tables import KINDS, tables
from boltmod.integer.execute import execute
from boltmod.model import onnx_file
from boltmod.model.onnx_file import Model
from boltmod.native import compiling, library
from boltmod.native.compiling import ENGINE
from boltmod.runtime import engines
from boltmod.runtime.session import Classifier
from c_compiler import needs_compiler
from hand_made_networks import (
    convolutional,
    dense,
    floating,
    magnitudes,
    products,
    statistics,
    wide,
)


def model_of(name: str) -> Model:
    made = {
        "convolutional": convolutional,
        "products": products,
        "magnitudes": magnitudes,
        "statistics": statistics,
        "wide": wide,
        "dense": dense,
        "floating": floating,
    }
    return onnx_file.from_proto(made[name]()) if name in made else onnx_file.load(Path(name))


def hard_frames(n: int) -> np.ndarray:
    """Signals, noise far beyond full scale, zeros, and what is no number."""
    frames = keyed_frames(n, seed=11)
    frames[-1] *= 100
    frames[-2] = 0
    frames[-3, 0, 5] = np.nan
    frames[-3, 1, 7] = np.inf
    frames[-4] = np.rint(frames[-4] * 64) / 64  # where scales are simple: on the edges
    return frames


@needs_compiler
@pytest.mark.parametrize(
    "name",
    ["boltnet", "boltnet60", "convolutional", "magnitudes", "products", "statistics", "wide"],
)
def test_bit_exact(name: str) -> None:
    program = build(model_of(name))
    frames = hard_frames(24)
    engine = Engine(program)
    assert (engine.scores(frames) == execute(program, frames)).all()
    assert (engine.scores(frames[5:6]) == execute(program, frames[5:6])).all()
    assert engine.scores(frames[:0]).shape == (0, 24)


@needs_compiler
@pytest.mark.referee
@pytest.mark.parametrize("name", ["bacalhaunet_v1", "vgg10_baseline"])
def test_published_networks_are_bit_exact(name: str, referees: Path) -> None:
    program = build(onnx_file.load(referees / f"{name}.onnx"))
    frames = hard_frames(12)
    assert (Engine(program).scores(frames) == execute(program, frames)).all()


@needs_compiler
def test_threads_share_an_engine() -> None:
    engine = Engine(build(model_of("boltnet")))
    frames = hard_frames(32)
    wanted = engine.scores(frames)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(engine.scores, [frames] * 8))
    assert all((each == wanted).all() for each in found)


def test_estimates_are_never_off_by_more_than_they_say() -> None:
    rng = np.random.default_rng(12)
    for _ in range(50):
        step, n_levels = rng.uniform(3, 40), int(rng.integers(1, 20))
        begin = rng.uniform(-200, 100)
        edges = np.ceil(begin + step * np.arange(n_levels) + rng.uniform(-1, 1, n_levels))
        thresholds = np.sort(edges).astype(np.int64).clip(-300, 301)
        stairs = Staircase(np.ones(1, np.int64), thresholds, 0, np.array([[-300, 300]]))
        line = by_floats(stairs)
        x = np.arange(-300, 301)
        wanted = np.searchsorted(thresholds, x, side="right")
        value = x * np.float32(line.factors[0]) + np.float32(line.addend)
        value = np.clip(value, -0.5, n_levels + 0.5)
        sure = np.abs(value - np.rint(value)) > line.slack
        assert (np.clip(np.floor(value), 0, n_levels) == wanted)[sure].all()


@needs_compiler
def test_the_classifier_takes_the_engine_by_itself() -> None:
    classifier = Classifier(Path("boltnet"), threads=2)
    assert classifier.engine == "integer"
    frames = keyed_frames(40)
    program = build(classifier.model)
    wanted = (execute(program, frames) * float(program.scale)).astype(np.float32)
    assert (classifier.logits(frames, scale=False) == wanted).all()
    assert Classifier(Path("boltnet"), engine="onnxruntime").engine == "onnxruntime"
    assert Classifier(model_of("floating")).engine == "onnxruntime"


def test_a_model_without_meaning_in_integers_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedOperatorError) as error:
        Classifier(model_of("floating"), engine="integer")
    assert str(error.value) == (
        "GlobalAveragePool mean must take quantised values to have a meaning in integers, "
        "not what no quantiser made: run the model with --engine onnxruntime, "
        "or quantise what it takes"
    )
    with pytest.raises(ConfigError) as wrong:
        Classifier(Path("boltnet"), engine="fast")
    assert str(wrong.value) == (
        "engine must be one of auto, integer, onnxruntime, not 'fast': take one of these"
    )


def test_without_a_compiler_onnx_runtime_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling.Kernel, "library", tmp_path / "none.so")
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    monkeypatch.setattr(engines._log, "warning", lambda text, *args: said.append(text % args))
    library.load.cache_clear()
    engines._say_once.cache_clear()
    try:
        assert Classifier(Path("boltnet")).engine == "onnxruntime"
        assert Classifier(Path("boltnet")).engine == "onnxruntime"
        with pytest.raises(ToolNotFoundError) as error:
            Classifier(Path("boltnet"), engine="integer")
    finally:
        library.load.cache_clear()
    reason = (
        "the integer engine needs its library, which this install lacks, or a C compiler to make "
        "it, and there is no C compiler: install gcc or clang, set CC to another compiler, "
        "or use --engine onnxruntime"
    )
    assert str(error.value) == reason
    assert said == [f"ONNX Runtime takes the integer engine's place: {reason}"]


@needs_compiler
def test_every_width_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = library.load(ENGINE).widths
    assert widths
    for name in ("boltnet", "convolutional", "magnitudes", "products", "wide"):
        program = build(model_of(name))
        frames = hard_frames(8)
        wanted = execute(program, frames)
        for width in widths:
            assert (Engine(program, width).scores(frames) == wanted).all()
    monkeypatch.setenv(library.WIDTH_VARIABLE, widths[-1])
    assert library.load(ENGINE).chosen() == widths[-1]


@needs_compiler
@pytest.mark.parametrize("name", ["wide", "field"])
def test_sums_of_eight_bits_four_to_a_lane(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = build(model_of(name))
    made, plain = tables(program, by_quads=True), tables(program)
    assert KINDS["quads"] in made.ops["kind"]
    assert KINDS["pack"] in made.ops["kind"]
    assert KINDS["quads"] not in plain.ops["kind"]
    frames = hard_frames(8)
    wanted = execute(program, frames)
    for width in library.load(ENGINE).widths:
        monkeypatch.setattr(engine_module, "_HAS_QUADS", width)
        assert (Engine(program, width).scores(frames) == wanted).all()


@needs_compiler
@pytest.mark.parametrize("square", [9 << 20, (9 << 20) + 1, (1 << 20) + 1, (25 << 20) + 1, 0])
def test_gain_control_says_the_same_at_the_edges(square: int) -> None:
    """Samples lie on edges, or so little below them that floats do not tell the difference."""
    program = build(model_of("boltnet"))
    steps = tuple(
        replace(step, factor=0, addend=square, shift=20) if isinstance(step, form.Level) else step
        for step in program.steps
    )
    assert sum(isinstance(step, form.Level) for step in steps) == 1
    program = replace(program, steps=steps)
    frames = hard_frames(8)
    wanted = execute(program, frames)
    for width in library.load(ENGINE).widths:
        assert (Engine(program, width).scores(frames) == wanted).all()


def test_outputs_share_samples_where_their_weights_lie_at_nearly_the_same_places() -> None:
    """The field network's layers all do; a row of products that is only summed is never written."""
    program = build(model_of("field"))
    made = tables(program, by_quads=True)
    quads = made.ops[made.ops["kind"] == KINDS["quads"]]
    assert len(quads) == 5
    assert (quads["a"][:, 5] == 1).all()
    summed = made.ops[made.ops["kind"] == KINDS["products"]]["y"]
    assert (made.tensors[summed]["length"] == 1).sum() == 8


@needs_compiler
def test_what_needs_no_flag_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_X86_WIDTHS", compiling._OTHER_WIDTHS)
    compiling.compile_library(ENGINE, tmp_path / ENGINE.library.name)
    kernel = library.Library(ENGINE, tmp_path / ENGINE.library.name)
    assert kernel.widths == ("plain",)
    monkeypatch.setattr(library, "load", lambda _: kernel)
    for name in ("boltnet", "convolutional", "magnitudes", "products", "wide"):
        program = build(model_of(name))
        frames = hard_frames(8)
        assert (Engine(program).scores(frames) == execute(program, frames)).all()


@needs_compiler
def test_a_width_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = library.load(ENGINE)
    monkeypatch.setenv(library.WIDTH_VARIABLE, "avx1024")
    with pytest.raises(ConfigError) as error:
        kernel.function("run")
    assert str(error.value) == (
        f"BOLTMOD_WIDTH must be one of {', '.join(kernel.widths)} on this processor, "
        "not 'avx1024': unset it to take the widest"
    )


@needs_compiler
def test_a_compiler_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", sys.executable)
    with pytest.raises(compiling.NoKernelError, match="fails: "):
        compiling.compile_library(ENGINE, tmp_path / "kernel.so")
    assert not list(tmp_path.iterdir())


def test_a_library_depends_on_the_headers_too() -> None:
    headers = [ENGINE.source.parent / name for name in ("vectors.h", "levels.h", "formula.h")]
    assert all(path.read_text(encoding="utf-8") in ENGINE.facts() for path in headers)
    shared = (Path(compiling.__file__).parent / "widths.h").read_text(encoding="utf-8")
    assert all(shared in kernel.facts() for kernel in compiling.KERNELS)


@needs_compiler
def test_what_was_worked_out_of_a_model_is_kept(tmp_path, monkeypatch):
    library.load(ENGINE)  # its own library is another matter
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = model_of("boltnet")
    frames = np.random.default_rng(5).standard_normal((3, 2, 1024)).astype(np.float32)
    first = of_model(model).scores(frames)
    (path,) = (tmp_path / "boltmod" / "engine").glob("*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "build", None)  # not asked again
        assert (of_model(model).scores(frames) == first).all()
    path.write_bytes(path.read_bytes()[:1000])  # a disk was full
    assert (of_model(model).scores(frames) == first).all()
    assert path.stat().st_size > 1000
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    np.savez(path, **(arrays | {"numbers": arrays["numbers"][:3]}))
    assert (of_model(model).scores(frames) == first).all()


@needs_compiler
def test_sixteen_models_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = prepare(build(model_of("boltnet")), library.load(ENGINE).chosen())
    for number in range(20):
        keep(str(number).encode(), "any", made)
    assert len(list((tmp_path / "boltmod" / "engine").iterdir())) == 16
    assert kept(b"19", "any") is not None


@needs_compiler
def test_where_nothing_can_be_kept_a_model_runs_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "boltmod").write_text("a file, where a folder should be")
    library.load(ENGINE)  # its own library is another matter
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frames = np.zeros((1, 2, 1024), np.float32)
    assert of_model(model_of("boltnet")).scores(frames).shape == (1, 24)
