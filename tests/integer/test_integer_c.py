"""The generated C says to the bit what numpy says, without a warning, and within its workspace."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.integer.build import build
from boltmod.integer.c import folder
from boltmod.integer.execute import execute, trace
from boltmod.integer.form import Program, Quantise
from boltmod.integer.receive import receive
from boltmod.model import onnx_file
from c_compiler import CC, needs_compiler
from hand_made_networks import convolutional, magnitudes, wide

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
SANITISERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]

pytestmark = needs_compiler


def compiled(source: Path, *flags: str) -> Path:
    example = source / "example"
    files = [str(source / name) for name in ("net.c", "example.c")]
    subprocess.run([str(CC), *flags, "-o", str(example), *files], check=True)
    return example


def has_sanitisers(at: Path) -> bool:
    (at / "empty.c").write_text("int main(void) { return 0; }\n")
    command = [str(CC), *SANITISERS, "-o", str(at / "empty"), str(at / "empty.c")]
    built = subprocess.run(command, capture_output=True).returncode == 0
    return built and subprocess.run([str(at / "empty")], capture_output=True).returncode == 0


def program_of(name: str, referees: Path | None = None) -> Program:
    made = {"convolutional": convolutional, "magnitudes": magnitudes, "wide": wide}
    if name in made:
        return build(onnx_file.from_proto(made[name]()))
    return build(onnx_file.load(referees / f"{name}.onnx" if referees else Path(name)))


@pytest.mark.parametrize("name", ["boltnet", "boltnet60", "convolutional", "magnitudes", "wide"])
def test_bit_exact_for_every_kind_of_sample(name: str, tmp_path: Path) -> None:
    program = program_of(name)
    folder.write(program, tmp_path)
    flags = ["-O1", *SANITISERS] if has_sanitisers(tmp_path) else ["-O2"]
    example = compiled(tmp_path, *WARNINGS, *flags)
    subprocess.run([str(example)], check=True, stdout=subprocess.DEVNULL)
    frames = folder.keyed_frames(6, seed=5)
    rng = np.random.default_rng(6)
    interleaved = np.ascontiguousarray(frames.transpose(0, 2, 1)).reshape(6, -1)
    levels = 10.0 ** rng.uniform(-3, 3, (6, 1))
    samples: dict[str, np.ndarray] = {
        "f32": (interleaved * levels).astype(np.float32),
        "s16": np.clip(interleaved * 9000 + 400, -32768, 32767).astype(np.int16),
        "s8": np.clip(interleaved * 40 - 3, -128, 127).astype(np.int8),
        "u8": np.clip(interleaved * 40 + 127, 0, 255).astype(np.uint8),
    }
    wanted = {kind: folder.received_scores(program, kind, iq) for kind, iq in samples.items()}
    wanted["scaled"] = execute(program, frames)
    samples["scaled"] = interleaved
    for kind, iq in samples.items():
        ran = subprocess.run([str(example), kind], input=iq.tobytes(), capture_output=True)
        assert ran.returncode == 0, ran.stderr.decode()
        got = np.frombuffer(ran.stdout, np.int32).reshape(6, -1)
        assert (got == wanted[kind]).all(), kind


@pytest.mark.referee
def test_the_published_network_is_bit_exact(referees: Path, tmp_path: Path) -> None:
    program = program_of("bacalhaunet_v1", referees)
    folder.write(program, tmp_path, folder.keyed_frames(8, seed=7))
    subprocess.run(["make", "-s", "-C", str(tmp_path), "check"], check=True, capture_output=True)


def test_levels_in_integers_are_those_of_scaled_frames() -> None:
    """But for samples at the edge between two steps, which sixteen bits move across it."""
    program = program_of("boltnet")
    first = program.steps[0]
    assert isinstance(first, Quantise)
    frames = folder.keyed_frames(16, seed=8)
    wanted = trace(program, frames)[first.name]
    received = [receive(first, "s16", iq) for iq in folder.as_int16(frames)]
    difference = np.abs(np.array(received) - wanted)
    assert difference.max() == 1
    assert (difference > 0).mean() < 0.02


def test_names_of_strangers_stay_names(tmp_path: Path) -> None:
    program = program_of("convolutional")
    names = ('a"};int x;//', "b\\", *program.classes[2:])
    odd = replace(program, classes=names, name="*/ #error /*")
    folder.write(odd, tmp_path)
    compiled(tmp_path, *WARNINGS, "-O1")
    text = (tmp_path / "net.c").read_text()
    assert '"a\\"};int x;//",' in text
    assert text.startswith("/* * / #error / *")


def test_frames_without_a_signal_have_no_class(tmp_path: Path) -> None:
    program = program_of("convolutional")
    folder.write(program, tmp_path)
    (tmp_path / "nothing.c").write_text(
        """
        #include "net.h"
        static net_workspace w;
        static float frame[2 * NET_SAMPLES];
        static int16_t constant[2 * NET_SAMPLES];
        int main(void) {
            int32_t scores[NET_CLASSES];
            volatile float zero = 0.0f;
            if (net_classify_f32(&w, frame, scores) != -1) { return 1; }
            if (net_classify_s16(&w, constant, scores) != -1) { return 2; }
            frame[7] = zero / zero;
            if (net_classify_f32(&w, frame, scores) != -1) { return 3; }
            frame[7] = 1.0f / zero;
            return net_classify_f32(&w, frame, scores) != -1 ? 4 : 0;
        }
        """
    )
    files = [str(tmp_path / name) for name in ("net.c", "nothing.c")]
    subprocess.run([str(CC), "-O2", "-o", str(tmp_path / "nothing"), *files], check=True)
    assert subprocess.run([str(tmp_path / "nothing")]).returncode == 0


def test_boltnet_fits_a_small_controller(tmp_path: Path) -> None:
    report = folder.write(program_of("boltnet"), tmp_path)
    assert report["workspace_bytes"] <= 24 * 1024
    assert report["constant_bytes"] <= 32 * 1024
    assert report["multiply_accumulates"] == 77_719


def test_the_command(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        app, ["compile", "boltnet", "--target", "c", "--out", str(tmp_path / "c"), "--json"]
    )
    assert ran.exit_code == 0
    report = json.loads(ran.stdout)
    assert report["model"] == "boltnet"
    assert report == json.loads((tmp_path / "c" / "report.json").read_text()) | {
        "target": "c",
        "out": str(tmp_path / "c"),
    }
    ran = CliRunner().invoke(
        app, ["compile", "boltnet", "-o", str(tmp_path / "c"), "--steps", "--force"]
    )
    assert "requantise_1" in ran.stdout
    assert "make check" in ran.stdout
