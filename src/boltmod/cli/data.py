"""`boltmod data`: making data sets, joining, checking and describing them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.data_convert import convert
from boltmod.cli.data_plot import plot
from boltmod.cli.terminal import LARGEST_SEED, ForceOption, JsonOption, emit

if TYPE_CHECKING:
    from boltmod.data.radioml import RadioMLFile
    from boltmod.data.statistics import Statistics

app = typer.Typer(
    help="Make, join, convert, check and describe data sets in RadioML 2018.01A's layout.",
    no_args_is_help=True,
)

app.command()(plot)
app.command()(convert)

STATISTICS_FRAMES = 24 * 26 * 16
"""Frames that `info` looks at: evenly spread, 16 of each (class, SNR) pair of a full grid."""


@app.command()
def make(  # noqa: PLR0913  one parameter an option
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    frames_per_cell: Annotated[
        int, typer.Option(help="Frames of each (class, SNR) pair; the real set has 4096.")
    ] = 4096,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Same seed, same frames.")] = 0,
    profile: Annotated[
        str, typer.Option(help="The generator's signal model: twin, textbook or field.")
    ] = "twin",
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change a parameter of the profile; repeatable."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as are useful if left out.")
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only part I of N, for many machines.")
    ] = "1/1",
    compress: Annotated[
        bool, typer.Option("--compress", help="Write gzip chunks: smaller, slower to read.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there, finished or not.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write generated frames of all 24 classes and 26 SNRs to OUT; go on where it stopped."""
    from boltmod.cli.progress import frames_progress
    from boltmod.data.make import make as make_file
    from boltmod.data.provenance import Plan
    from boltmod.signal.profile import profile_from

    number, n_shards = _shard(shard)
    chosen = profile_from(profile, parse_changes(changes or []))
    plan = Plan(frames_per_cell, seed, chosen, shard=number, n_shards=n_shards)
    begun = time.monotonic()
    with frames_progress(f"making {out.name}") as progress:
        made = make_file(
            plan,
            out,
            workers=workers or _enough_workers(plan.n_frames),
            compress=compress,
            force=force,
            progress=progress,
        )
    seconds = time.monotonic() - begun
    document = {
        "path": out,
        "n_frames": made.n_frames,
        "n_resumed": made.n_resumed,
        "bytes": out.stat().st_size,
        "seconds": round(seconds, 3),
    }
    kept = f", {made.n_resumed:,} of them already there" if made.n_resumed else ""
    emit(
        document,
        as_json,
        lambda console: console.print(
            f"{out}: {made.n_frames:,} frames{kept}, {_size(out)}, {seconds:.1f} s",
            markup=False,
        ),
    )


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    shards: Annotated[list[Path], typer.Argument(help="Every part of one data set.")],
    as_json: JsonOption = False,
) -> None:
    """Join the parts that `boltmod data make --shard` wrote to the whole data set OUT."""
    from boltmod.cli.progress import frames_progress
    from boltmod.data.merge import merge as merge_files

    with frames_progress(f"joining {out.name}") as progress:
        n_frames = merge_files(out, shards, progress=progress)
    emit(
        {"path": out, "n_frames": n_frames, "bytes": out.stat().st_size},
        as_json,
        lambda console: console.print(f"{out}: {n_frames:,} frames, {_size(out)}", markup=False),
    )


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An HDF5 file in RadioML's layout.")],
    as_json: JsonOption = False,
) -> None:
    """Say what FILE holds: frames, classes, SNRs, statistics, and how it was made."""
    from boltmod.data.provenance import plain
    from boltmod.data.radioml import RadioMLFile
    from boltmod.data.statistics import of_sample

    with RadioMLFile(file) as opened:
        statistics = of_sample(opened, STATISTICS_FRAMES)
        document = _describe(opened) | {
            "made": plain(opened.attributes) or None,
            "statistics": statistics.as_dict(),
        }
    emit(document, as_json, lambda console: _show_info(console, document, statistics))


def _enough_workers(n_frames: int) -> int:
    """All processors, but no more than have some seconds of work: a process starts slowly."""
    return max(1, min(os.cpu_count() or 1, n_frames // 50_000))


def _shard(text: str) -> tuple[int, int]:
    number, _, n_shards = text.partition("/")
    if not (number.isdigit() and n_shards.isdigit()):
        raise typer.BadParameter(f"must be I/N, such as 2/8, not {text}", param_hint="--shard")
    return int(number), int(n_shards)


def parse_changes(changes: list[str]) -> dict[str, Any]:
    """Parameters of a profile given as NAME=VALUE, the values in JSON or as plain words.

    Raises:
        ConfigError: There is no =.
    """
    import json

    from boltmod.errors import ConfigError

    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise ConfigError(f"--set must be NAME=VALUE, not {change}; add a value")
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    return values


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"


def _describe(file: RadioMLFile) -> dict[str, Any]:
    import numpy as np

    cells = np.unique(np.stack([file.class_ids, file.snr_labels]), axis=1, return_counts=True)[1]
    return {
        "path": file.path,
        "bytes": file.path.stat().st_size,
        "n_frames": len(file),
        "classes": [file.layout.classes[i] for i in np.unique(file.class_ids)],
        "frame_length": file.layout.frame_length,
        "snr_labels": np.unique(file.snr_labels).tolist(),
        "n_cells": len(cells),
        "frames_per_cell": [int(cells.min()), int(cells.max())],
        "memory_mapped": file.is_memory_mapped,
    }


def _show_info(console: Console, document: dict[str, Any], statistics: Statistics) -> None:
    least, most = document["frames_per_cell"]
    snrs = document["snr_labels"]
    each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    rows = {
        "file": f"{document['path']} ({document['bytes'] / 1e6:,.1f} MB)",
        "frames": f"{document['n_frames']:,}: {document['n_cells']} cells of {each}, "
        f"{document['frame_length']} samples each",
        "classes": f"{len(document['classes'])}",
        "SNR labels": f"{len(snrs)}, {snrs[0]} to {snrs[-1]} dB",
        "reading": "memory-mapped" if document["memory_mapped"] else "through h5py",
        "made by": _made_by(document["made"]),
    }
    for name, text in rows.items():
        console.print(f"{name:<11} {text}", markup=False)
    console.print(_statistics_table(statistics))


def _made_by(made: dict[str, Any] | None) -> str:
    if not made or "boltmod_version" not in made:
        return "not said in the file"
    from boltmod.data.provenance import title

    part = f", part {made['shard']} of {made.get('n_shards')}" if "shard" in made else ""
    return (
        f"boltmod {made['boltmod_version']}, profile {title(made)}, "
        f"seed {made.get('seed')}, {made.get('frames_per_cell')} frames a cell{part}"
    )


def _statistics_table(statistics: Statistics) -> Table:
    from boltmod.data.statistics import REAL_MEAN_POWER

    n_frames = int(statistics.n_frames.sum())
    top = max(statistics.snr_labels)
    table = Table(
        title=f"over {n_frames:,} frames, beside the real data set's", title_justify="left"
    )
    table.add_column("class")
    for heading in ("mean power", "real", f"beyond ±2 at {top} dB"):
        table.add_column(heading, justify="right")
    beyond = statistics.share_beyond_two(top)
    for name, power in statistics.mean_power.items():
        real = REAL_MEAN_POWER.get(name)
        table.add_row(
            name,
            f"{power:.4f}",
            "" if real is None else f"{real:.4f}",
            f"{beyond[name]:.3f}" if name in beyond else "",
        )
    return table


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="An HDF5 file in RadioML's layout.")],
    as_json: JsonOption = False,
) -> None:
    """Look at every sample of FILE: is it sound, and is it RadioML 2018.01A itself?"""
    from boltmod.cli.progress import frames_progress
    from boltmod.data.check import check as check_file

    with frames_progress(f"checking {file.name}") as progress:
        result = check_file(file, progress)

    def show(console: Console) -> None:
        console.print(
            f"{file}: sound, {result.n_frames:,} frames, every sample finite", markup=False
        )
        console.print(f"origin: {result.origin.value}")
        for note in result.notes:
            console.print(f"note: {note}", markup=False)
        console.print(_statistics_table(result.statistics))
        console.print(_deviations_line(result.deviations))

    emit(result.as_dict(), as_json, show)


def _deviations_line(deviations: Mapping[str, float]) -> str:
    from boltmod.data.check import TOLERANCE

    if not deviations:
        return "no statistic to compare with the real data set's"
    worst = max(deviations, key=lambda name: abs(deviations[name]))
    n_near = sum(abs(value) <= TOLERANCE for value in deviations.values())
    return (
        f"{n_near} of {len(deviations)} statistics within {TOLERANCE:.0%} of the real data set's; "
        f"farthest is the {worst}, {deviations[worst]:+.1%}"
    )


@app.command("to-sigmf")
def to_sigmf(  # noqa: PLR0913  one parameter an option
    data: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PROFILE",
            help="A file in RadioML's layout, or the generator's twin, textbook or field.",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="The .sigmf-meta file; .sigmf-data goes beside it.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")
    ] = None,
    snr: Annotated[
        list[int] | None, typer.Option(help="Only this SNR label in dB; may be repeated.")
    ] = None,
    frames_per_cell: Annotated[
        int, typer.Option(min=1, help="Frames of each (class, SNR) pair.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of a profile.")] = 0,
    rate: Annotated[
        str | None, typer.Option("--rate", help="Samples a second to write down, such as 2.4M.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write frames one after the other as a SigMF recording, annotated with class and SNR label."""
    from boltmod.data.choice import chosen_batches
    from boltmod.data.sigmf_frames import write_frames
    from boltmod.files import refuse_existing
    from boltmod.recording.file_names import DATA_SUFFIX
    from boltmod.recording.quantity import parse_rate
    from boltmod.signal.profile import PROFILES

    rate_hz = None if rate is None else parse_rate(rate)
    for path in (out, out.with_suffix(DATA_SUFFIX)):
        refuse_existing(path, force)
    batches = chosen_batches(data, classes, snr, frames_per_cell, seed)
    source = f"{data}, seed {seed}" if data in PROFILES else Path(data).name
    description = f"frames of {source}, one after the other, SNR labels as in RadioML 2018.01A"
    n_frames = write_frames(out, batches, description=description, rate_hz=rate_hz)
    emit(
        {"path": out, "n_frames": n_frames},
        as_json,
        lambda console: console.print(f"{out}: {n_frames:,} annotated frames", markup=False),
    )


@app.command("from-sigmf")
def from_sigmf(
    recording: Annotated[Path, typer.Argument(help="A SigMF recording, either of its files.")],
    out: Annotated[Path, typer.Argument(help="The HDF5 file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Write the annotated frames of a SigMF RECORDING as a data set in RadioML's layout."""
    import numpy as np

    from boltmod.data.radioml_writer import RadioMLWriter
    from boltmod.data.sigmf_frames import SigMFFrames
    from boltmod.errors import ConfigError

    if out.exists():
        raise ConfigError(f"{out} must not exist yet; choose another name, or remove it")
    frames = SigMFFrames(recording)
    order = np.lexsort((frames.snr_labels, frames.class_ids))
    labels = frames.class_ids[order], frames.snr_labels[order]
    with RadioMLWriter(out, *labels, attributes={"source": recording.name}) as writer:
        done = 0
        for iq_planes, _, _ in frames.batches():
            writer.write(done, iq_planes)
            done += len(iq_planes)
    emit(
        {"path": out, "n_frames": len(frames)},
        as_json,
        lambda console: console.print(f"{out}: {len(frames):,} frames", markup=False),
    )
