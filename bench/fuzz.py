"""What a parser makes of damaged and hostile files: clean errors, or something worse.

    python bench/fuzz.py PARSER [--inputs 300] [--seed 0] [--keep FOLDER]

Valid files are made and changed at random: bits, integers, pieces; words of JSON and TOML;
fields of a network; members of an archive, packed again so that checksums are right. Each is read
in a process that was forked for the purpose. Counted are clean errors, files that were accepted,
tracebacks, processes that died, hangs over 10 s of processor time (or 5 minutes on the clock), and
inputs that took over 1 GB of memory. What failed is kept, reduced as far as the same failure
allows. The same seed gives the same inputs. Ctrl-C or SIGTERM end it with what it has counted.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import os
import pickle
import random
import re
import resource
import select
import shutil
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import tiny_recipe
from boltmod.errors import BoltmodError

Files = dict[str, bytes]
"""An input: the files of a folder."""

Mutate = Callable[[bytes, random.Random], bytes]
HANG_S = 10.0
_MOST_S = 300.0
_MOST_BYTES = 3 << 29
_INPUTS_OF_A_PROCESS = 25
MEMORY_BYTES = 1 << 30
_MOST_REDUCTIONS = 40


# How inputs are changed.

_INTEGERS = [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
             0xFFFFFFFF, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1]  # fmt: skip


def bytes_changed(content: bytes, rng: random.Random) -> bytes:
    """Change bytes at random, near the beginning rather than elsewhere."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not changed:
            return bytes(changed)
        reach = len(changed) if rng.random() < 0.4 else min(len(changed), 4096)
        place = rng.randrange(reach)
        rng.choice(_CHANGES)(changed, place, rng)
    return bytes(changed)


def _flip(content: bytearray, place: int, rng: random.Random) -> None:
    content[place] ^= 1 << rng.randrange(8)


def _byte(content: bytearray, place: int, rng: random.Random) -> None:
    content[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _integer(content: bytearray, place: int, rng: random.Random) -> None:
    n_bytes = rng.choice((2, 4, 8))
    value = rng.choice(_INTEGERS) & ((1 << 8 * n_bytes) - 1)
    order: Any = rng.choice(("little", "big"))
    content[place : place + n_bytes] = value.to_bytes(n_bytes, order)


def _deleted(content: bytearray, place: int, rng: random.Random) -> None:
    del content[place : place + rng.choice((1, 4, 8, 64, 1024))]


def _doubled(content: bytearray, place: int, rng: random.Random) -> None:
    piece = content[place : place + rng.choice((1, 4, 8, 64, 1024))]
    content[place:place] = piece * rng.choice((1, 2, 16))


def _moved(content: bytearray, place: int, rng: random.Random) -> None:
    other = rng.randrange(len(content))
    content[place : place + 16] = content[other : other + 16]


def _cut_off(content: bytearray, place: int, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) if rng.random() < 0.5 else place :]


_CHANGES = (_flip, _flip, _byte, _integer, _integer, _deleted, _doubled, _moved, _cut_off)

_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|\b(?:true|false|null)\b')
_EXTREMES = ["0", "-1", "-0.5", "1e308", "1e999", "-1e999", "NaN", "inf", "nan", "2.5",
             "9223372036854775808", "18446744073709551616", "1" * 400, "1e-320", '""',
             '"\\u001b[31m"', '"' + "A" * 5000 + '"', '"\\ud800"', "null", "true", "[]", "{}",
             "[[]]", '"../../x"', "[" * 100_000, "1000000000", "'x'"]  # fmt: skip


def words_changed(content: bytes, rng: random.Random) -> bytes:
    """Change words of JSON or TOML; now and then bytes."""
    if rng.random() < 0.25:
        return bytes_changed(content, rng)
    text = content.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 2, 3))):
        words = list(_WORDS.finditer(text))
        if not words:
            break
        word = rng.choice(words)
        new = rng.choice((*_EXTREMES, rng.choice(words)[0]))
        text = text[: word.start()] + new + text[word.end() :]
    return text.encode("utf-8", "surrogatepass")


def network_changed(content: bytes, rng: random.Random) -> bytes:
    """Change fields of an ONNX file; now and then bytes."""
    import onnx

    if rng.random() < 0.3:
        return bytes_changed(content, rng)
    proto = onnx.load_model_from_string(content)
    for _ in range(rng.choice((1, 1, 2))):
        with suppress(ValueError, TypeError, IndexError):
            rng.choice((_tensor, _tensor, _node, _attribute, _shape, _opset))(proto, rng)
    return bytes(proto.SerializeToString())


_SIZES = (-1, 0, 1, 2, 3, 24, 1024, 4096, 2**16, 2**26, 2**31, 2**40, 2**62, 2**63 - 1)
_OPERATORS = ("Loop", "ConstantOfShape", "Range", "Quant", "Trunc", "Conv", "MatMul", "Reshape",
              "Expand", "Tile", "Pad", "Softmax", "TopK", "Add", "BatchNormalization", "Gather",
              "If", "Resize", "MaxPool", "FloatQuant", "DequantizeLinear", "Nonsense")  # fmt: skip


def _tensor(proto: Any, rng: random.Random) -> None:
    tensor = rng.choice(proto.graph.initializer)
    what = rng.randrange(4)
    if what == 0 and len(tensor.dims):
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_SIZES)
    elif what == 1:
        tensor.raw_data = bytes_changed(tensor.raw_data, rng)
    elif what == 2:
        tensor.data_type = rng.randrange(25)
    else:
        size = len(tensor.raw_data) // 4
        value = rng.choice((0.0, -3.0, 1e9, float("inf"), float("nan"), 2.5, 1e-40))
        tensor.raw_data = np.full(size, value, np.float32).tobytes()


def _node(proto: Any, rng: random.Random) -> None:
    node = rng.choice(proto.graph.node)
    names = [name for each in proto.graph.node for name in (*each.input, *each.output)]
    what = rng.randrange(4)
    if what == 0:
        node.op_type = rng.choice(_OPERATORS)
    elif what == 1:
        node.input[rng.randrange(len(node.input))] = rng.choice(names)
    elif what == 2:
        node.domain = rng.choice(("", "qonnx.custom_op.general", "ai.onnx.ml", "x"))
    else:
        node.output[0] = rng.choice(names)


def _attribute(proto: Any, rng: random.Random) -> None:
    found = [each for node in proto.graph.node for each in node.attribute]
    one = rng.choice(found)
    if len(one.ints):
        one.ints[rng.randrange(len(one.ints))] = rng.choice(_SIZES)
    elif one.HasField("i"):
        one.i = rng.choice(_SIZES)
    else:
        one.s = rng.choice((b"", b"ROUND", b"\xff\xfe", b"x" * 1000))


def _shape(proto: Any, rng: random.Random) -> None:
    value = rng.choice((*proto.graph.input, *proto.graph.output))
    dims = value.type.tensor_type.shape.dim
    dims[rng.randrange(len(dims))].dim_value = rng.choice(_SIZES)


def _opset(proto: Any, rng: random.Random) -> None:
    rng.choice(proto.opset_import).version = rng.choice((0, 1, 7, 13, 30, 2**40))


def zip_changed(content: bytes, rng: random.Random) -> bytes:
    """Change members of a zip file and pack it again; now and then its bytes."""
    if rng.random() < 0.3:
        return bytes_changed(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    members[name] = changed(name, members[name], rng)
    packed = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    with zipfile.ZipFile(packed, "w", rng.choice(methods)) as archive:
        for each, inner in members.items():
            archive.writestr(each, inner)
    return packed.getvalue()


def safetensors_changed(content: bytes, rng: random.Random) -> bytes:
    """Change the JSON at the beginning, its length put right; now and then bytes."""
    if rng.random() < 0.3 or len(content) < 8:
        return bytes_changed(content, rng)
    (n_header,) = struct.unpack_from("<Q", content)
    header = words_changed(content[8 : 8 + n_header], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + n_header :]


_BY_ENDING: dict[str, Mutate] = {
    ".json": words_changed, ".jsonl": words_changed, ".toml": words_changed,
    ".sigmf-meta": words_changed, ".txt": words_changed, ".onnx": network_changed,
    ".zip": zip_changed, ".safetensors": safetensors_changed,
}  # fmt: skip


def changed(name: str, content: bytes, rng: random.Random) -> bytes:
    """Change a file as files of its ending are changed."""
    return _BY_ENDING.get(Path(name).suffix, bytes_changed)(content, rng)


# What is read, and from what valid files.


@dataclass(frozen=True)
class Parser:
    """One way into boltmod.

    Args:
        seeds: Makes valid inputs.
        read: Reads the input in a folder, all of it.
        kept: Names of files that are not changed.
    """

    seeds: Callable[[], list[Files]]
    read: Callable[[Path], None]
    kept: frozenset[str] = field(default_factory=frozenset)


def _hdf5_seeds() -> list[Files]:
    return [
        {"x.hdf5": _hdf5(compress=False, attributes={"boltmod_version": "0", "profile": "twin"})},
        {"x.hdf5": _hdf5(compress=True, attributes={})},
    ]


def _hdf5(compress: bool, attributes: dict[str, Any]) -> bytes:
    from boltmod.data.radioml_writer import RadioMLWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.hdf5"
        planes = np.random.default_rng(1).standard_normal((6, 2, 1024)).astype(np.float32)
        labels = ([0, 1, 2, 3, 4, 5], [0, 2, 4, 6, 8, 10])
        with RadioMLWriter(path, *labels, attributes=attributes, compress=compress) as writer:
            writer.write(0, planes)
        return path.read_bytes()


def _read_hdf5(folder: Path) -> None:
    from boltmod.data.provenance import plain, title
    from boltmod.data.radioml import RadioMLFile

    with RadioMLFile(folder / "x.hdf5") as file:
        file.read(np.arange(len(file))[:1000])
        for _ in file.slices(1000):
            pass
        made = plain(file.attributes)
        json.dumps(made, allow_nan=False)
        if "boltmod_version" in made:
            title(made)


def _merge_seeds() -> list[Files]:
    import boltmod.data.make as making
    from boltmod.data.provenance import Plan
    from boltmod.data.radioml_writer import RadioMLWriter

    del making
    parts: Files = {}
    for shard in (1, 2):
        plan = Plan(1, 5, snr_labels=(10,), shard=shard, n_shards=2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.hdf5"
            with RadioMLWriter(path, *plan.labels(), attributes=plan.attributes()) as writer:
                writer.write(0, np.ones((plan.n_frames, 2, 1024), np.float32))
            parts[f"part{shard}.hdf5"] = path.read_bytes()
    return [parts]


def _read_merge(folder: Path) -> None:
    from boltmod.data.merge import merge

    merge(folder / "whole.hdf5", [folder / "part1.hdf5", folder / "part2.hdf5"])


def _foreign_seeds() -> list[Files]:
    planes = np.random.default_rng(2).standard_normal((5, 128, 2)).astype(np.float32)
    names = np.array(["BPSK", "QPSK", "FM", "OOK", "GMSK"])
    packed = io.BytesIO()
    np.savez_compressed(packed, x=planes, y=names, z=np.zeros(5))
    cells = {("BPSK", 0): planes[:2].transpose(0, 2, 1), ("QPSK", 2): planes[2:].transpose(0, 2, 1)}
    return [{"x.zip": packed.getvalue()}, {"x.pkl": pickle.dumps(cells, 2)}]


def _read_foreign(folder: Path) -> None:
    from boltmod.data.convert import convert

    convert(next(folder.glob("x.*")), folder / "out.hdf5")


def _networks() -> list[bytes]:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(3)
    stored = {
        "w": rng.standard_normal((4, 2, 8)), "scale": 0.5, "zero": 0.0, "bits": 4.0,
        "gamma": np.ones(4), "beta": np.zeros(4), "mean": np.zeros(4), "var": np.ones(4),
        "fc": rng.standard_normal((4, 24)),
    }  # fmt: skip
    initial = [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in stored.items()]
    shape = numpy_helper.from_array(np.array([1, 4], np.int64), "shape")
    quant = partial(
        helper.make_node, "Quant", domain="qonnx.custom_op.general", signed=1, narrow=0,
        rounding_mode="ROUND",
    )  # fmt: skip
    nodes = [
        quant(["w", "scale", "zero", "bits"], ["wq"]),
        quant(["frames", "scale", "zero", "bits"], ["xq"]),
        helper.make_node("Conv", ["xq", "wq"], ["c"], kernel_shape=[8], strides=[4], pads=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[2], strides=[2]),
        helper.make_node("GlobalAveragePool", ["m"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "seed",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, (1, 2, 1024))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 24))],
        [*initial, shape],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return [bytes(proto.SerializeToString())]


def _onnx_seeds() -> list[Files]:
    return [{"x.onnx": content} for content in _networks()]


def _read_onnx(folder: Path) -> None:
    from boltmod.cost.inference_cost import count
    from boltmod.integer.build import build
    from boltmod.model import onnx_file
    from boltmod.runtime.session import Classifier

    model = onnx_file.load(folder / "x.onnx")
    for use in (count, build):
        with suppress(BoltmodError):
            json.dumps(getattr(use(model), "as_dict", dict)(), default=str)
    frame = np.ones((1, 2, 1024), np.float32)
    Classifier(model, 1, "onnxruntime").probabilities(frame)


def _tiny_network() -> Any:
    from boltmod.nn import registry

    parameters = dict(tiny_recipe.NETWORK)
    return registry.build(registry.parse(parameters.pop("name"), parameters)).eval()


def _safetensors_seeds() -> list[Files]:
    from boltmod.train import checkpoint

    state = {"network": dict(tiny_recipe.NETWORK), "epoch": 3}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        checkpoint.save(checkpoint.Checkpoint(_tiny_network().state_dict(), state=state), path)
        return [{"x.safetensors": path.read_bytes()}]


def _read_safetensors(folder: Path) -> None:
    from boltmod.train import checkpoint

    checkpoint.open_trainee(folder / "x.safetensors")


def _sigmf(real: bool = False) -> Files:
    count = 3000
    samples = np.random.default_rng(4).standard_normal(count if real else 2 * count)
    document = {
        "global": {
            "core:datatype": "rf32_le" if real else "cf32_le", "core:sample_rate": 1e6,
            "core:version": "1.2.0", "core:offset": 0, "core:num_channels": 1,
        },
        "captures": [{"core:sample_start": 0, "core:frequency": 1e8, "core:header_bytes": 0}],
        "annotations": [
            {"core:sample_start": 100, "core:sample_count": 2500, "core:label": "QPSK",
             "boltmod:snr_label_db": 10, "core:freq_lower_edge": -1e3, "core:freq_upper_edge": 1e3},
        ],
    }  # fmt: skip
    return {
        "x.sigmf-meta": json.dumps(document, indent=1).encode(),
        "x.sigmf-data": samples.astype(np.float32).tobytes(),
    }


def _read_sigmf(folder: Path) -> None:
    from boltmod.data.sigmf_frames import SigMFFrames
    from boltmod.recording.opening import open_recording

    _exhaust(open_recording(folder / "x.sigmf-meta"))
    for _ in SigMFFrames(folder / "x.sigmf-meta").batches():
        pass


def _exhaust(recording: Any) -> None:
    for _ in recording.stretches(1 << 16):
        pass


def _archive_seeds() -> list[Files]:
    files, seeds = _sigmf(), []
    for suffix, mode in ((".sigmf", "w"), (".sigmf.gz", "w:gz"), (".sigmf.xz", "w:xz")):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
            for name, content in files.items():
                entry = tarfile.TarInfo(f"x/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        seeds.append({f"x{suffix}": packed.getvalue()})
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return [*seeds, {"x.sigmf.zip": zipped.getvalue()}]


def _read_one(folder: Path) -> None:
    from boltmod.recording.opening import open_recording

    _exhaust(open_recording(next(folder.glob("x.*"))))


def _wav_seeds() -> list[Files]:
    samples = np.random.default_rng(5).integers(-9999, 9999, 4000).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 2, 48000, 192000, 4, 16)
    auxi = struct.pack("<16s16sI", b"", b"", 7_000_000) + bytes(32)
    chunks = b"".join(
        name + struct.pack("<I", len(content)) + content
        for name, content in ((b"fmt ", form), (b"auxi", auxi), (b"data", samples))
    )
    long = b"ds64" + struct.pack("<I", 28) + struct.pack("<QQQI", 9000, len(samples), 2000, 0)
    return [
        {"x.wav": b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks},
        {"x.wav": b"RF64\xff\xff\xff\xffWAVE" + long + chunks},
    ]


def _read_wav(folder: Path) -> None:
    from boltmod.recording.live import wav_pipe

    with suppress(BoltmodError):
        begun = wav_pipe.beginning_of(io.BytesIO((folder / "x.wav").read_bytes()))
        if begun is not None:
            _ = begun.sample_format
    _read_one(folder)


def _raw_seeds() -> list[Files]:
    floats = np.random.default_rng(6).standard_normal(4096).astype(np.float32)
    array = io.BytesIO()
    np.save(array, floats.view(np.complex64))
    rows = io.BytesIO()
    np.save(rows, floats.reshape(2, -1).astype(np.float16))
    header = struct.pack("<IQQII", 48000, 10**8, 0, 16, 0)
    sdriq = header + struct.pack("<I", zlib.crc32(header)) + bytes(4000)
    told = b"sample_rate=500000\ncenter_frequency=433920000\n"
    return [
        {"x.cf32": floats.tobytes()}, {"x.s16": bytes(8000)}, {"x.npy": array.getvalue()},
        {"x.npy": rows.getvalue()}, {"x.sdriq": sdriq}, {"x.c16": bytes(4000), "X.TXT": told},
        {"x.cf64": floats.astype(np.float64).tobytes()},
    ]  # fmt: skip


def _read_recipe(folder: Path) -> None:
    from boltmod.pipeline.recipe import read_recipe

    _ = read_recipe(folder / "x.toml").document


def _space_seeds() -> list[Files]:
    spaces = sorted((Path(__file__).parent.parent / "recipes" / "spaces").glob("*.toml"))
    return [{"x.toml": path.read_bytes()} for path in spaces]


def _read_space(folder: Path) -> None:
    from boltmod.search.space import read_space

    read_space(folder / "x.toml")


def _run_files() -> Files:
    from boltmod.cost.inference_cost import count
    from boltmod.evaluation.metrics import Evaluation
    from boltmod.model import onnx_file

    (content,) = _networks()
    cost = count(onnx_file.from_bytes(content, Path("model.onnx"))).as_dict()
    counts = np.eye(3, dtype=np.int64)[np.newaxis].repeat(2, 0) * 3
    told = ("tiny", "twin 2, seed 5, 3 frames a cell")
    evaluation = Evaluation(counts, (0, 10), *told, classes=("BPSK", "QPSK", "FM"))
    lines = [
        {"event": "epoch", "phase": "first", "epoch": n, "loss": 2.0, "accuracy": 0.1 * n,
         "validation": 0.1 * n, "learning_rate": 0.01, "seconds": 3.0}
        for n in (1, 2)
    ]  # fmt: skip
    lines.append({"event": "phase", "phase": "first", "accuracy": 0.2, "score": 0.1})
    return {
        "recipe.toml": tiny_recipe.RECIPE.encode(),
        "environment.json": json.dumps({"python": "3.11", "packages": {"torch": "2"}}).encode(),
        "metrics.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
        "model.onnx": content,
        "cost.json": json.dumps(cost, default=str).encode(),
        "evaluation.json": json.dumps(evaluation.as_dict()).encode(),
    }


def _run_seeds() -> list[Files]:
    files = _run_files()
    with tempfile.TemporaryDirectory() as folder, _drawn_once(True):  # and in no forked process
        _write(files, Path(folder))
        _report(Path(folder))
    return [files]


def _read_run(folder: Path) -> None:
    from boltmod.evaluation.pareto import own_result

    with suppress(BoltmodError):
        json.dumps(own_result(folder).as_dict())
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    with _drawn_once(zlib.crc32(content) % _DRAWN == 0):
        _report(folder)


def _report(folder: Path) -> None:
    from boltmod.evaluation.report import write_report
    from boltmod.run_folder import RunFolder

    write_report(RunFolder(folder))


_DRAWN = 16
"""Of so many reports one is drawn: matplotlib takes a hundred times as long as all the reading."""
_FIGURES = ("accuracy_over_snr", "accuracy_by_class", "confusion", "reliability", "training_curve")


@contextmanager
def _drawn_once(whole: bool) -> Iterator[None]:
    """Make the figures of what was not seen before; draw them only if they are to be whole."""
    from boltmod.evaluation import plots

    def sketched(name: str) -> Callable[..., Any]:
        figure = getattr(plots, name)
        return lambda *told: _once((name, pickle.dumps(told), whole), partial(made, figure, *told))

    def made(figure: Callable[..., Any], *told: Any) -> Any:
        drawn = figure(*told)
        return drawn, to_svg(drawn, "x", "x") if whole else "<svg/>"

    to_svg = plots.to_svg
    stand_ins = {name: sketched(name) for name in _FIGURES} | {"to_svg": lambda made, *_: made[1]}
    present = {name: getattr(plots, name) for name in stand_ins}
    try:
        for name, stand_in in stand_ins.items():
            setattr(plots, name, stand_in)
        yield
    finally:
        for name, function in present.items():
            setattr(plots, name, function)


def _zip_seeds() -> list[Files]:
    from boltmod.challenge import form, state_dict

    run = _run_files()
    filled = form.Form(
        accuracy="0.61 (measured on: twin)", score="0.1", cost=run["cost.json"].decode(),
        model="model.onnx", checkpoint="checkpoint.pth", repository="https://example.org",
        instructions="run it",
    )  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(form.FILE_NAME, form.write(filled))
        archive.writestr("model.onnx", run["model.onnx"])
        archive.writestr("checkpoint.pth", state_dict.dump(_tiny_network().state_dict()))
        archive.writestr("recipe.toml", tiny_recipe.RECIPE)
        archive.writestr("train.py", "pass")
        archive.writestr("Dockerfile", "FROM scratch")
    return [{"x.zip": packed.getvalue()}]


def _read_zip(folder: Path) -> None:
    import torch

    from boltmod.challenge import check
    from boltmod.nn import registry

    # One batch of frames in place of the twin's 624: what is looked for is in the files.
    frames = (torch.ones(2, 2, 1024), torch.zeros(2), torch.zeros(2))
    setattr(check, "twin_cells", lambda *_: iter([frames]))  # noqa: B010
    setattr(check, "count", _counted)  # noqa: B010
    setattr(check, "registry", SimpleNamespace(parse=registry.parse, build=_built))  # noqa: B010
    check.check(folder / "x.zip")


_KNOWN: dict[Any, Any] = {}


def _counted(model: Any) -> Any:
    """The cost of a model; of one that was seen before, what was counted then."""
    from boltmod.cost.inference_cost import count

    return _once(("cost", model.proto.SerializeToString()), partial(count, model))


def _built(config: Any) -> Any:
    """A network; of a configuration that was seen before, the one that was built then."""
    from boltmod.nn import registry

    return _once(("network", repr(config)), partial(registry.build, config))


def _once(key: Any, make: Callable[[], Any]) -> Any:
    if key not in _KNOWN:
        _KNOWN[key] = make()
    return _KNOWN[key]


PARSERS = {
    "hdf5": Parser(_hdf5_seeds, _read_hdf5),
    "merge": Parser(_merge_seeds, _read_merge),
    "foreign": Parser(_foreign_seeds, _read_foreign),
    "onnx": Parser(_onnx_seeds, _read_onnx),
    "safetensors": Parser(_safetensors_seeds, _read_safetensors),
    "sigmf": Parser(lambda: [_sigmf(), _sigmf(real=True)], _read_sigmf),
    "archive": Parser(_archive_seeds, _read_one),
    "wav": Parser(_wav_seeds, _read_wav),
    "raw": Parser(_raw_seeds, _read_one),
    "recipe": Parser(lambda: [{"x.toml": tiny_recipe.RECIPE.encode()}], _read_recipe),
    "space": Parser(_space_seeds, _read_space),
    "zip": Parser(_zip_seeds, _read_zip),
    "run": Parser(_run_seeds, _read_run),
}


# Running.


def inputs(parser: Parser, seed: int) -> Iterator[Files]:
    """Changed inputs without end, the same ones for the same seed."""
    seeds = parser.seeds()
    number = 0
    while True:
        rng = random.Random(f"{seed}/{number}")
        made = dict(rng.choice(seeds))
        name = rng.choice([each for each in made if each not in parser.kept])
        made[name] = changed(name, made[name], rng)
        yield made
        number += 1


def _write(made: Files, folder: Path) -> None:
    for name, content in made.items():
        (folder / name).write_bytes(content)


def outcome_of(parser: Parser, made: Files) -> tuple[str, str]:
    """Read an input in this process: what came of it, and where if it is a defect."""
    with tempfile.TemporaryDirectory() as folder:
        _write(made, Path(folder))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                parser.read(Path(folder))
        except BoltmodError as error:
            return ("clean error", "") if "\n" not in str(error) else ("traceback", "two lines")
        except Exception as error:  # noqa: BLE001  that is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            own = [f for f in traceback.extract_tb(error.__traceback__) if "boltmod" in f.filename]
            place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
            return "traceback", f"{type(error).__name__} in {last.name}, by {place}: {error}"[:300]
    return "accepted", ""


class Worker:
    """A forked process that reads inputs, one after the other, until one ends it."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._pid = self._n_read = 0

    def outcome(self, made: Files) -> tuple[str, str]:
        """What comes of an input."""
        if self._n_read % _INPUTS_OF_A_PROCESS == 0:
            self.end()  # what libraries keep of one input is not counted against another
        self._n_read += 1
        if not self._pid:
            self._start()
        _send(self._to, made)
        before_s, begun = _processor_s(self._pid), time.monotonic()
        while not select.select([self._from], [], [], 0.5)[0]:
            is_busy = _processor_s(self._pid) - before_s > HANG_S
            if is_busy or time.monotonic() - begun > _MOST_S:
                self.end()
                return "hang", ""
        answer = _receive(self._from)
        if answer is None:
            _, status = os.waitpid(self._pid, 0)
            self._pid = 0
            return "died", f"signal {status & 0x7F}"
        kind, where, n_bytes = answer
        return ("memory", f"{n_bytes >> 20} MiB") if n_bytes > MEMORY_BYTES else (kind, where)

    def _start(self) -> None:
        inward, outward = os.pipe(), os.pipe()
        gc.freeze()  # what is imported is not looked through again in every process
        self._pid = os.fork()
        if self._pid:
            os.close(inward[0])
            os.close(outward[1])
            self._to, self._from = inward[1], outward[0]
            return
        os.close(inward[1])
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            bound = _memory("VmData") + _MOST_BYTES
            resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
            while (made := _receive(inward[0])) is not None:
                before = _memory("VmRSS")
                Path("/proc/self/clear_refs").write_text("5")
                found = outcome_of(self._parser, made)
                _send(outward[1], (*found, max(0, _memory("VmHWM") - before)))
        os._exit(0)

    def end(self) -> None:
        """Kill the process."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._to)
            os.close(self._from)
            self._pid = 0


def _processor_s(pid: int) -> float:
    """Processor time of a process so far: a machine that others use is no hang."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


def _send(pipe: int, thing: Any) -> None:
    content = pickle.dumps(thing)
    view = memoryview(struct.pack("<Q", len(content)) + content)
    with suppress(BrokenPipeError):
        while view:
            view = view[os.write(pipe, view) :]


def _receive(pipe: int) -> Any:
    head = _exactly(pipe, 8)
    if head is None:
        return None
    content = _exactly(pipe, struct.unpack("<Q", head)[0])
    return None if content is None else pickle.loads(content)


def _exactly(pipe: int, n_bytes: int) -> bytes | None:
    content = b""
    while len(content) < n_bytes:
        part = os.read(pipe, n_bytes - len(content))
        if not part:
            return None
        content += part
    return content


def reduced(made: Files, seeds: list[Files], fails: Callable[[Files], bool]) -> Files:
    """Take changes back, as long as the input fails as before."""
    for seed in seeds:
        for name in made:
            if name not in seed or len(seed[name]) != len(made[name]):
                continue
            places = [i for i, (a, b) in enumerate(zip(seed[name], made[name], strict=True))
                      if a != b]  # fmt: skip
            for place in places[:_MOST_REDUCTIONS]:
                content = bytearray(made[name])
                content[place] = seed[name][place]
                if fails(trial := made | {name: bytes(content)}):
                    made = trial
    return made


def _fails_so(worker: Worker, outcome: tuple[str, str], made: Files) -> bool:
    return worker.outcome(made) == outcome


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("parser", choices=PARSERS)
    options.add_argument("--inputs", type=int, default=300)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--keep", type=Path, help="folder for what failed")
    chosen = options.parse_args()
    parser = PARSERS[chosen.parser]
    worker, counts, seen = Worker(parser), Counter[str](), Counter[str]()
    seeds = parser.seeds()
    for files in seeds:
        kind, where = outcome_of(parser, files)
        if kind != "accepted":
            print(f"a valid input is not accepted: {kind} {where}")
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for _, made in zip(range(chosen.inputs), inputs(parser, chosen.seed), strict=False):
        try:
            kind, where = worker.outcome(made)
        except KeyboardInterrupt:
            break  # what was counted by then stands
        counts[kind] += 1
        if kind in ("clean error", "accepted"):
            continue
        seen[f"{kind}: {where}"] += 1
        if chosen.keep is not None and seen[f"{kind}: {where}"] == 1:
            if kind == "traceback":
                made = reduced(made, seeds, partial(_fails_so, worker, (kind, where)))
            digest = hashlib.sha256(b"".join(made.values())).hexdigest()[:12]
            folder = chosen.keep / f"{chosen.parser}-{kind}-{digest}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _write(made, folder)
    worker.end()
    for what, n_times in seen.most_common():
        print(f"{n_times:5d}  {what}")
    print(f"{chosen.parser}: {time.monotonic() - begun:.0f} s")
    kinds = ("clean error", "accepted", "traceback", "died", "hang", "memory")
    print(", ".join(f"{counts[kind]} {kind}" for kind in kinds), f"of {counts.total()}")


if __name__ == "__main__":
    main()
