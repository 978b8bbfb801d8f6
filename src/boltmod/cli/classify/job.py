"""A request of `boltmod classify` that is being answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from boltmod.cli.classify.request import Request
from boltmod.recording.analytic import Samples
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.raw import RawRecording
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.cut import Cut
from boltmod.runtime.labels import Labels
from boltmod.runtime.session import Classifier
from boltmod.runtime.sink.columns import SAMPLE_COLUMNS, WINDOW_COLUMNS, Columns
from boltmod.runtime.verdict import Tallies, Verdict
from boltmod.runtime.window import Windows

if TYPE_CHECKING:
    from boltmod.cli.classify.truth import Comparison
    from boltmod.runtime.cut.channel.spectrogram import Waterfall
    from boltmod.runtime.survey import Row

_IN_SAMPLES = {
    "carrier_hz": "carrier_per_sample",
    "offset_hz": "offset_per_sample",
    "bandwidth_hz": "bandwidth_per_sample",
    "symbol_rate_hz": "symbols_per_sample",
    "frequency_deviation_hz": "frequency_deviation_per_sample",
}
"""What is in hertz, and what it is called where nobody knows the sample rate."""
_PICTURED = 8
"""Windows of a signal that its picture is drawn from."""


def per_sample(document: Any) -> Any:
    """A document whose hertz are cycles a sample, with names that say so."""
    if isinstance(document, dict):
        return {_IN_SAMPLES.get(name, name): per_sample(each) for name, each in document.items()}
    return [per_sample(each) for each in document] if isinstance(document, list) else document


class Job:
    """A request that is being answered, and what has come of it so far.

    Args:
        request: What is asked.
        classifier: The network.
        recording: Where the samples come from.
        live: The same, if it is a stream.
        is_in_samples: Whether nobody knows the sample rate, so that it is taken for 1.
    """

    def __init__(
        self,
        request: Request,
        classifier: Classifier,
        recording: Recording,
        live: LiveRecording | None = None,
        is_in_samples: bool = False,
    ) -> None:
        self.is_in_samples = is_in_samples
        self.request, self.recording, self.live = request, recording, live
        self.engine = classifier.engine
        self.author = f"{classifier.model.name} in {self.engine.words}"
        self.classes, self.frame_length = classifier.classes, classifier.frame_length
        self.tallies = Tallies(classifier.classes)
        self.comparison: Comparison | None = None
        if request.compares and isinstance(recording, RawRecording):
            from boltmod.cli.classify.truth import Comparison, Truth

            prints = request.output is None and not request.as_json
            self.comparison = Comparison(Truth(recording), prints)
        self.pictured: dict[int, Samples] = {}
        self.waterfall: Waterfall | None = None
        if request.looks_for_signals:
            from boltmod.runtime.cut.channel.spectrogram import Waterfall
            from boltmod.runtime.cut.listener import PIECE_SAMPLES, Listener

            if request.picture is not None:
                self.waterfall = Waterfall()
            # A pipe that waits is cut as a file is, for the same answer.
            n_piece = PIECE_SAMPLES if request.is_lossless else None
            self.listener = Listener(request.constraints, self.waterfall, n_piece)
            self.cut: Cut = self.listener
        else:
            from boltmod.runtime.cut.whole_band import WholeBand

            self.cut = WholeBand(self.frame_length, request.is_stream)

    def add(self, windows: Windows, labels: Labels) -> None:
        """Count labels in, and keep what the picture needs."""
        self.tallies.add(windows, labels)
        signal = windows.signal
        if self.request.picture is not None and signal is not None and len(windows.samples):
            self.pictured.setdefault(signal.number, windows.samples[:_PICTURED])

    @property
    def verdicts(self) -> list[Verdict]:
        """What the signals are, if it was looked for them."""
        signals = self.listener.signals if self.request.looks_for_signals else []
        return self.tallies.verdicts(signals)

    @property
    def rows(self) -> list[Row]:
        """What the signals are, a row each."""
        from boltmod.runtime.survey import bare_row, row_of

        rate_hz = None if self.is_in_samples else self.recording.rate_hz
        name = self.request.source if self.live is None else self.live.name
        bare = bare_row(name, self.recording, rate_hz)
        return [row_of(each, self.recording, bare) for each in self.verdicts]

    @property
    def window_columns(self) -> Columns:
        """What tables and lines say of a window."""
        if not self.request.looks_for_signals:
            return Columns(self.request.columns)
        return Columns(SAMPLE_COLUMNS if self.is_in_samples else WINDOW_COLUMNS, self.classes)

    @property
    def mean_probabilities(self) -> dict[str, float]:
        """Mean probability of each class over the windows of the whole band."""
        tally = self.tallies.of(None)
        if tally.shares is None:
            return {}
        return dict(zip(self.classes, (tally.shares / tally.n_windows).tolist(), strict=True))

    @property
    def n_by_class(self) -> Counter[str | None]:
        """Windows of the whole band by their class; None has the constant ones."""
        tally = self.tallies.of(None)
        seen: Counter[str | None] = Counter()
        seen.update(tally.by_class)
        if tally.n_constant:
            seen[None] = tally.n_constant
        return seen

    @property
    def n_left_over_samples(self) -> int:
        """Samples at the end that fill no window."""
        if self.live is not None:
            return self.live.n_left_over_samples
        return (self.recording.n_samples or 0) % self.frame_length

    def head(self) -> dict[str, Any]:
        """What can be said at the beginning, for JSON."""
        request = self.request
        files = {"output": request.output, "picture": request.picture}
        return {
            "input": request.source,
            "model": str(request.model_path),
            "engine": str(self.engine),
            "rate_hz": None if self.is_in_samples else self.recording.rate_hz,
            "centre_hz": self.recording.centre_hz,
            "notes": list(self.recording.notes),
        } | {name: str(path) for name, path in files.items() if path is not None}

    def counts(self) -> dict[str, Any]:
        """What can be said at the end."""
        dropped = {} if self.live is None else {"n_dropped": self.live.n_dropped}
        if self.request.looks_for_signals:
            signals = [self._of(*each) for each in zip(self.verdicts, self.rows, strict=True)]
            carriers = [asdict(each) for each in self.listener.carriers]
            found = {"signals": signals, "carriers": carriers}
            return dropped | (per_sample(found) if self.is_in_samples else found)
        seen = self.n_by_class
        compared = self.comparison
        right = compared and {"n_compared": compared.n_compared, "n_right": compared.n_right}
        return (
            dropped
            | (right or {})
            | {
                "n_windows": seen.total(),
                "n_left_over_samples": self.n_left_over_samples,
                "n_windows_by_class": {
                    name: n for name, n in seen.most_common() if name is not None
                },
                "n_constant_windows": seen[None],
            }
        )

    @staticmethod
    def _of(verdict: Verdict, row: Row) -> dict[str, Any]:
        """What a document says of a signal: all of it, and where and when it is on the air."""
        when = {name: getattr(row, name) for name in ("frequency_hz", "utc", "time_s")}
        return asdict(verdict) | when | {"duration_s": row.duration_s}

    def finish(self) -> None:
        """Write the table of signals and draw the picture, if they are asked for."""
        if self.request.writes_signals and self.request.output is not None:
            from boltmod.runtime.sink import row_table

            row_table.write(self.request.output, self.rows)
        self._draw_picture()

    def _draw_picture(self) -> None:
        if self.waterfall is None or self.request.picture is None:
            return
        from boltmod.evaluation.plots import save
        from boltmod.evaluation.recording_picture import draw

        first = self.recording.first_sample
        verdicts = [replace(each, signal=each.signal.moved(-first)) for each in self.verdicts]
        figure = draw(self.recording, self.waterfall.measured(), verdicts, self.pictured)
        save(figure, self.request.picture)
