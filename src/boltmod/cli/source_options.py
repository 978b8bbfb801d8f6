"""Options of the commands that read a source: which samples there are, and how to receive them."""

from __future__ import annotations

from typing import Annotated

import typer

FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help="cf32, ci16, ci8 or cu8, or another program's word for it; told from the "
        "ending or source if not.",
    ),
]
RealOption = Annotated[
    bool | None,
    typer.Option("--real/--iq", help="A file's samples are real, or I and Q in turn."),
]
ChannelsOption = Annotated[
    str | None,
    typer.Option(help="Of a file's channels the one to read, or those of I and Q, as 1,2."),
]
RateOption = Annotated[
    str | None, typer.Option("--rate", "-r", help="Samples a second, such as 240k or 2.4M.")
]
FrequencyOption = Annotated[
    str | None, typer.Option(help="Middle of the band on the air; receivers tune there.")
]
GainOption = Annotated[
    float | None, typer.Option(help="Gain of a receiver in dB; automatic if not.")
]
TopicOption = Annotated[str | None, typer.Option(help="ZeroMQ messages to take; all if not.")]
EngineOption = Annotated[
    str, typer.Option(help="What runs the network: auto, integer or onnxruntime.")
]
