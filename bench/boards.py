r"""The generated C on processors that are not this one: bit-exact or not, bytes, instructions.

    apt-get install gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf gcc-arm-none-eabi clang \
        libc6-dev-arm64-cross libc6-dev-armhf-cross libnewlib-arm-none-eabi libclang-rt-14-dev \
        qemu-user-static qemu-system-arm
    python bench/boards.py boltnet
    python bench/boards.py boltnet boltnet60 MODEL.onnx

Every compiler gets -Wall -Wextra -Wconversion -pedantic -Werror. On this machine the address and
undefined-behaviour sanitisers watch; Linux on Arm runs under qemu-user; Cortex-M0+, M3 and M4 run
under qemu-system without an operating system, linked for 64 KB of flash and 32 KB of RAM in all:
a network that needs more does not link, and says so. Each takes the same frames by every entry
point, and its scores are compared with numpy's; so are those of the engine's kernel on Arm.
Targets whose tools are not installed are left out by name.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.integer.build import build
from boltmod.integer.c import folder
from boltmod.integer.engine.tables import tables as make_tables
from boltmod.integer.execute import execute
from boltmod.integer.form import Integers, Program
from boltmod.model import onnx_file
from boltmod.native import compiling

HERE = Path(__file__).parent / "boards"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITISERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
C_TYPES = {"scaled": "float", "f32": "float", "s16": "int16_t", "s8": "int8_t", "u8": "uint8_t"}

_N_FRAMES = 16

_WORDS = {True: "bit-exact", False: "other scores"}


@dataclass(frozen=True)
class Target:
    """A processor.

    Args:
        name: In the table.
        compiler: Its command and flags.
        emulator: What runs the program; nothing on this machine's own processor.
        board: Whether there is no operating system; the emulator's machine is then the last word.
    """

    name: str
    compiler: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    board: bool = False

    @property
    def missing(self) -> list[str]:
        """Tools that are not installed."""
        tools = (self.compiler[0], *self.emulator[:1])
        return [tool for tool in tools if shutil.which(tool) is None]

    @property
    def size_tool(self) -> str:
        """The `size` that knows its object files."""
        prefix = self.compiler[0].removesuffix("gcc")
        return f"{prefix}size" if self.compiler[0].endswith("-gcc") else "size"


def cortex(name: str, machine: str, *flags: str) -> Target:
    """Return a Cortex-M on one of the MPS2 boards that qemu knows."""
    return Target(
        name,
        ("arm-none-eabi-gcc", "-O2", "-mthumb", *flags, "-ffunction-sections"),
        ("qemu-system-arm", "-icount", "shift=0", "-semihosting-config", "enable=on,target=native",
         "-nographic", "-monitor", "none", "-serial", "none", "-M", machine),
        True,
    )  # fmt: skip


TARGETS = (
    Target("x86-64, gcc", ("gcc", "-O2")),
    Target("x86-64, gcc, sanitisers", ("gcc", "-O1", *SANITISERS)),
    Target("x86-64, clang", ("clang", "-O2")),
    Target("x86-64, clang, sanitisers", ("clang", "-O1", *SANITISERS)),
    Target("AArch64, gcc", ("aarch64-linux-gnu-gcc", "-O2", "-static"), ("qemu-aarch64-static",)),
    Target("Arm, 32 bits, gcc", ("arm-linux-gnueabihf-gcc", "-O2", "-static"),
           ("qemu-arm-static",)),
    cortex("Cortex-M0+", "mps2-an385", "-mcpu=cortex-m0plus"),
    cortex("Cortex-M3", "mps2-an385", "-mcpu=cortex-m3"),
    cortex("Cortex-M4F", "mps2-an386", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
)  # fmt: skip


@dataclass
class Found:
    """What a target did.

    Args:
        exact: By entry point, whether all scores were numpy's.
        code: Bytes of code of the network alone.
        constants: Bytes of constants.
        image: Bytes of flash of the whole program; 0 under an operating system.
        ram: Bytes of RAM of it: workspace, the frame, the deepest stack.
        instructions: Of one frame of 16-bit samples.
        fault: What went wrong.
    """

    exact: dict[str, bool]
    code: int = 0
    constants: int = 0
    image: int = 0
    ram: int = 0
    instructions: int = 0
    fault: str = ""


def samples_and_scores(program: Program) -> dict[str, tuple[NDArray[Any], Integers]]:
    """Return frames of every kind of sample and what numpy makes of them."""
    frames = folder.keyed_frames(_N_FRAMES, seed=7)
    interleaved = np.ascontiguousarray(frames.transpose(0, 2, 1)).reshape(_N_FRAMES, -1)
    levels = 10.0 ** np.random.default_rng(8).uniform(-3, 3, (_N_FRAMES, 1))
    samples: dict[str, NDArray[Any]] = {
        "f32": (interleaved * levels).astype(np.float32),
        "s16": np.clip(interleaved * 9000 + 400, -32768, 32767).astype(np.int16),
        "s8": np.clip(interleaved * 40 - 3, -128, 127).astype(np.int8),
        "u8": np.clip(interleaved * 40 + 127, 0, 255).astype(np.uint8),
    }
    found = {kind: (iq, folder.received_scores(program, kind, iq)) for kind, iq in samples.items()}
    return found | {"scaled": (interleaved, execute(program, frames))}


def ran(command: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=600, check=False, **how)


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if "error" in line or "overflow" in line), lines[-1])


def sizes(target: Target, source: Path) -> tuple[int, int]:
    """Bytes of code and of constants of the network's object file."""
    ran([*target.compiler, "-c", "-o", str(source / "net.o"), str(source / "net.c")])
    done = ran([target.size_tool, "-A", str(source / "net.o")])
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    by_name = {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit()}
    code = sum(size for name, size in by_name.items() if name.startswith(".text"))
    kept = sum(size for name, size in by_name.items() if name.startswith((".rodata", ".data")))
    return code, kept


def under_a_system(
    target: Target, source: Path, given: dict[str, tuple[NDArray[Any], Integers]]
) -> Found:
    example = source / "example"
    built = ran([*target.compiler, *WARNINGS, "-o", str(example), str(source / "net.c"),
                 str(source / "example.c")])  # fmt: skip
    if built.returncode:
        return Found({}, fault=complaint(built))
    found = Found({})
    for kind, (iq, wanted) in given.items():
        done = ran([*target.emulator, str(example), kind], input=iq.tobytes())
        if done.returncode:
            return Found(found.exact, fault=complaint(done))
        got = np.frombuffer(done.stdout, "<i4").reshape(_N_FRAMES, -1)
        found.exact[kind] = bool((got == wanted).all())
    if "sanitisers" not in target.name:
        found.code, found.constants = sizes(target, source)
    return found


def on_a_board(
    target: Target, source: Path, given: dict[str, tuple[NDArray[Any], Integers]]
) -> Found:
    found = Found({})
    found.code, found.constants = sizes(target, source)
    for kind, (iq, wanted) in given.items():
        image = source / "image.elf"
        built = ran([*target.compiler, *WARNINGS, f"-DCLASSIFY=net_classify_{kind}",
                     f"-DSAMPLE={C_TYPES[kind]}", "-nostartfiles", "--specs=nano.specs",
                     "-Wl,--gc-sections", "-I", str(source),
                     "-T", str(HERE / "cortex_m.ld"), "-o", str(image),
                     str(HERE / "cortex_m.c"), str(source / "net.c")])  # fmt: skip
        if built.returncode:
            return Found(found.exact, found.code, found.constants, fault=complaint(built))
        (source / "frames.bin").write_bytes(iq.tobytes())
        done = ran([*target.emulator, "-kernel", str(image)], cwd=source)
        said = dict(line.split() for line in (done.stdout + done.stderr).decode().splitlines()
                    if len(line.split()) == 2)  # fmt: skip
        if done.returncode or "stack" not in said:
            return Found(found.exact, found.code, found.constants, fault=f"{kind}: no answer")
        got = np.frombuffer((source / "scores.bin").read_bytes(), "<i4").reshape(_N_FRAMES, -1)
        found.exact[kind] = bool((got == wanted).all())
        text, data, bss = map(int, ran([target.size_tool, str(image)]).stdout.split()[6:9])
        if kind == "s16":
            found.image, found.ram = text + data, data + bss + int(said["stack"])
            found.instructions = int(said["instructions"])
    return found


def kernel_on(target: Target, program: Program, work: Path) -> bool | str:
    """Whether the engine's kernel, on another processor, says what numpy says; or what fails."""
    made = work / "engine"
    named = f'-DKERNEL="{compiling.ENGINE.source}"'
    built = ran([*target.compiler, *compiling.FLAGS, *compiling.ENGINE.flags, named,
                 "-o", str(made), str(HERE / "engine.c"), "-lm"])  # fmt: skip
    if built.returncode:
        return complaint(built)
    tables = make_tables(program)
    frames = folder.keyed_frames(_N_FRAMES, seed=9)
    arrays = (tables.tensors, tables.ops, tables.data, tables.exact, frames)
    sizes = [array.nbytes for array in arrays]
    sizes += [tables.workspace_bytes, len(tables.ops), len(program.classes), tables.scores,
              tables.first, len(frames)]  # fmt: skip
    given = b"".join([np.array(sizes, "<i8").tobytes(), *(array.tobytes() for array in arrays)])
    done = ran([*target.emulator, str(made)], input=given)
    if done.returncode:
        return complaint(done)
    got = np.frombuffer(done.stdout, "<i4").reshape(len(frames), -1)
    return bool((got == execute(program, frames)).all())


def show_kernels(program: Program) -> None:
    """Print what the engine's kernel does where there is another system under the emulator."""
    for target in TARGETS:
        if target.emulator and not target.board and not target.missing:
            with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
                found = kernel_on(target, program, Path(name))
            words = found if isinstance(found, str) else _WORDS[found]
            print(f"the engine's kernel, {target.name}: {words}")


def results(program: Program) -> Iterator[tuple[Target, Found]]:
    given = samples_and_scores(program)
    for target in TARGETS:
        if target.missing:
            yield target, Found({}, fault=f"{', '.join(target.missing)} is not installed")
            continue
        with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
            source = Path(name)
            folder.write(program, source)
            yield target, (on_a_board if target.board else under_a_system)(target, source, given)


def row(target: Target, found: Found) -> str:
    exact = "-"
    if found.exact:
        wrong = [kind for kind, same in found.exact.items() if not same]
        exact = f"not {', '.join(wrong)}" if wrong else f"all of {len(found.exact)}"
    numbers = (found.code, found.constants, found.image, found.ram, found.instructions)
    cells = " | ".join(f"{each:,}" if each else "" for each in numbers)
    return f"| {target.name} | {exact} | {cells} |" + (f" {found.fault}" if found.fault else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path, nargs="+")
    args = parser.parse_args()
    n_exact = n_ran = 0
    for path in args.models:
        program = build(onnx_file.load(path))
        print(f"\n{program.name}: {_N_FRAMES} frames by {len(C_TYPES)} entry points")
        print("| processor | bit-exact | code | constants | flash | RAM | instructions a frame |")
        print("|---|---|---|---|---|---|---|")
        for target, found in results(program):
            print(row(target, found), flush=True)
            n_ran += len(found.exact)
            n_exact += sum(found.exact.values())
        show_kernels(program)
    print(f"\n{n_exact} of {n_ran} runs are bit-exact with numpy")


if __name__ == "__main__":
    main()
