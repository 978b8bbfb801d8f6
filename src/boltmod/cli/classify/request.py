"""What is asked of `boltmod classify`, and all that it refuses before anything is opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from boltmod.cli.terminal import stdout
from boltmod.errors import ConfigError
from boltmod.files import refuse_existing, refuse_same
from boltmod.recording.file_names import META_SUFFIX
from boltmod.recording.folder import is_several
from boltmod.recording.live.address import is_address
from boltmod.recording.live.wav_pipe import Beginning
from boltmod.recording.opening import FileFacts
from boltmod.runtime.cut.signal import Constraints, looks_for_signals
from boltmod.runtime.label import BAND_COLUMNS, SIGNAL_COLUMNS, STREAM_COLUMNS


@dataclass(frozen=True)
class Request:
    """The command's arguments; None for what was not given.

    Args:
        source: A file's name, a stream's address, or `-`.
        model: The classifier's file; boltmod's own if None.
        sample_format: Name of the sample format.
        is_real: Whether a file's samples are real; else I and Q in turn.
        channels: Of a file's several channels the one to read, or those of I and Q, from 1.
        rate_hz: Samples a second.
        frequency_hz: Middle of the band on the air.
        channel: `auto` to look for signals, `none` not to.
        constraints: What is known of the signals.
        summary_only: A line a signal, none a window.
        shows_windows: A line a window where a file or a pipe that waits would get a summary.
        compares: Whether labels stand beside what the recording's annotations say.
        overwrites: Whether a file that is there may be written over.
        explains: Reasons for each signal.
        output: A file for the labels.
        picture: A file for a picture.
        gain_db: Gain of a receiver's tuner.
        topic: ZeroMQ messages to take.
        is_live: Whether a pipe's windows may be dropped.
        timeout_s: Silence that ends a stream.
        threads: Processors to use.
        engine: What runs the network.
        as_json: JSON on standard output.
        wav: What has been read of a WAV file in a pipe.
        limit_s: Time that reading a stranger's model may take.
        sinks: Addresses that are told of each signal.
    """

    source: str
    model: Path | None = None
    sample_format: str | None = None
    is_real: bool | None = None
    channels: tuple[int, ...] | None = None
    rate_hz: float | None = None
    frequency_hz: float | None = None
    channel: str | None = None
    constraints: Constraints = field(default_factory=Constraints)
    summary_only: bool = False
    shows_windows: bool = False
    compares: bool = False
    overwrites: bool = False
    explains: bool = False
    output: Path | None = None
    picture: Path | None = None
    gain_db: float | None = None
    topic: str | None = None
    is_live: bool = False
    timeout_s: float | None = None
    threads: int | None = None
    engine: str = "auto"
    as_json: bool = False
    wav: Beginning | None = None
    limit_s: float | None = None
    sinks: tuple[str, ...] = ()

    @property
    def is_stream(self) -> bool:
        """Whether it has no end that is known."""
        return self.source == "-" or is_address(self.source)

    @property
    def is_lossless(self) -> bool:
        """Whether every window is looked at: a file's, and those of a pipe that waits."""
        return not self.is_stream or (self.source == "-" and not self.is_live)

    @property
    def model_path(self) -> Path:
        """The classifier's file."""
        from boltmod.model import shipped

        return shipped.path_of(shipped.DEFAULT) if self.model is None else self.model

    @property
    def facts(self) -> FileFacts:
        """What is known of the files."""
        return FileFacts(
            self.sample_format, self.rate_hz, self.frequency_hz, self.is_real, self.channels
        )

    @property
    def needs_signals(self) -> bool:
        """Whether something is asked for that only signals have."""
        asks = self.summary_only or self.explains or self.picture is not None or bool(self.sinks)
        return asks or self.constraints != Constraints()

    @property
    def looks_for_signals(self) -> bool:
        """Whether the band is searched.

        It is for boltmod's own network, which has learned signals that stand alone, where the
        search is possible: of a stream that does not wait it needs the sample rate.
        """
        is_by_default = self.channel is None and self.model is None and not self.needs_signals
        if is_by_default and not self.is_lossless and self.rate_hz is None:
            return False
        return looks_for_signals(self.channel, self.needs_signals, self.model is not None)

    @property
    def columns(self) -> tuple[str, ...]:
        """What there is to say of a window in a document that says the rest of each signal."""
        if self.looks_for_signals:
            return SIGNAL_COLUMNS
        return STREAM_COLUMNS if self.is_stream else BAND_COLUMNS

    @property
    def prints_lines(self) -> bool:
        """Whether standard output gets JSON lines: a stream that does not wait, by a program."""
        if self.is_lossless or self.output is not None:
            return False
        return self.as_json or not stdout.is_terminal

    @property
    def prints_json(self) -> bool:
        """Whether standard output gets nothing but JSON."""
        return self.as_json or self.prints_lines

    @property
    def prints_summary(self) -> bool:
        """Whether standard output gets a summary alone, for people."""
        has_lines = self.as_json or self.shows_windows or self.compares
        return self.is_lossless and not has_lines

    @property
    def writes_signals(self) -> bool:
        """Whether the output is a table with a row a signal."""
        if self.output is None or self.shows_windows or not self.is_lossless:
            return False
        return self.looks_for_signals and self.output.suffix in (".csv", ".jsonl")

    def check(self) -> None:
        """Refuse what cannot be done.

        Raises:
            ConfigError: Two arguments contradict each other, one is wrong, or a file cannot be
                written.
            ToolNotFoundError: A picture is asked for and matplotlib is not installed.
        """
        for applies, message in _REFUSALS:
            if applies(self):
                raise ConfigError(message.format(self))
        if not self.is_stream:
            for target in (self.output, self.picture):
                if target is not None and not self._is_kept(target):
                    refuse_same(target, Path(self.source), self.model_path)
        if self.output is not None:
            from boltmod.runtime.sink import file

            file.check(self.output, self.looks_for_signals, self.is_stream)
            refuse_existing(self.output, self.overwrites)
        if self.picture is not None:
            from boltmod.evaluation.recording_picture import check_path

            check_path(self.picture)
            refuse_existing(self.picture, self.overwrites)

    def _is_kept(self, target: Path) -> bool:
        """Whether a file's content is kept as it is written anew: SigMF's metadata, if asked."""
        return self.overwrites and target.suffix == META_SUFFIX

    def check_many(self, sources: Sequence[str]) -> None:
        """Refuse what cannot be done with several recordings.

        Args:
            sources: What is given in place of one.

        Raises:
            ConfigError: One is a stream, or something is asked for that one recording has.
        """
        streams = [each for each in sources if each == "-" or is_address(each)]
        if streams:
            raise ConfigError(
                f"{streams[0]} must stand alone: a stream is no recording among others"
            )
        if self.picture is not None:
            raise ConfigError("picture must be left out for several recordings: each has its own")
        if self.sinks:
            raise ConfigError("sink must be left out for several recordings: it is told of one")
        if self.shows_windows:
            raise ConfigError(
                "windows must be left out for several recordings: their table has a row a signal"
            )
        for applies, message in _REFUSALS:
            if applies(self):
                raise ConfigError(message.format(self))
        if self.output is not None:
            from boltmod.runtime.sink import row_table

            row_table.check(self.output)
            refuse_existing(self.output, self.overwrites)


def is_many(sources: Sequence[str], output: Path | None, cluster: str | None) -> bool:
    """Whether one table is asked for, of what may be several recordings."""
    if len(sources) > 1 or cluster is not None:
        return True
    is_stream = sources[0] == "-" or is_address(sources[0])
    is_table = output is not None and output.suffix == ".parquet"
    return not is_stream and (is_table or is_several(Path(sources[0])))


_REFUSALS: tuple[tuple[Callable[[Request], bool], str], ...] = (
    (
        lambda asked: asked.channel == "none" and asked.explains,
        "channel must not be none where reasons are asked for: leave --channel out",
    ),
    (
        lambda asked: asked.channel not in (None, "auto", "none"),
        "channel must be auto or none, not {0.channel!r}: choose one of them",
    ),
    (
        lambda asked: asked.channel == "none" and asked.needs_signals,
        "channel must not be none where an offset, bandwidth, symbol rate, summary, picture or "
        "sink is asked for: leave --channel out",
    ),
    (
        lambda asked: asked.compares and (asked.is_stream or asked.looks_for_signals),
        "truth must be left out for streams and where signals are looked for: annotations are "
        "compared with the windows of a file's band, so give --model or --channel none",
    ),
    (
        lambda asked: asked.shows_windows and asked.summary_only,
        "windows must be left out where only a summary is asked for: leave one of them out",
    ),
    (
        lambda asked: asked.timeout_s is not None and not asked.timeout_s > 0,
        "timeout must be above 0 s, not {0.timeout_s:g}: leave it out to wait",
    ),
    (
        lambda asked: asked.gain_db is not None and not asked.is_stream,
        "gain must be left out for a file: only streams have it",
    ),
    (
        lambda asked: asked.topic is not None and not asked.is_stream,
        "topic must be left out for a file: only streams have it",
    ),
    (
        lambda asked: asked.timeout_s is not None and not asked.is_stream,
        "timeout must be left out for a file: only streams have it",
    ),
    (
        lambda asked: asked.channels is not None and asked.is_stream,
        "channels must be left out for a stream: only WAV and SigMF files have them",
    ),
    (
        lambda asked: asked.is_real is not None and asked.is_stream,
        "--real and --iq must be left out for a stream: give its --format",
    ),
    (
        lambda asked: asked.is_live and not asked.is_stream,
        "live must be left out for a file: only streams have it",
    ),
    (
        lambda asked: (
            asked.looks_for_signals
            and asked.rate_hz is None
            and (not asked.is_lossless or (asked.is_stream and asked.constraints != Constraints()))
        ),
        "rate must be known to select a channel: give it with --rate",
    ),
)
"""When a request is refused, and why; the first that applies."""
