"""A request of `boltmod classify` that is being answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from boltmod.cli.classify.request import Request
from boltmod.modulation import FRAME_LENGTH
from boltmod.recording.analytic import Samples
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.recording import Recording
from boltmod.runtime.cut.cut import Cut
from boltmod.runtime.label import Label
from boltmod.runtime.session import Classifier
from boltmod.runtime.verdict import Tallies, Verdict
from boltmod.runtime.window import Windows

if TYPE_CHECKING:
    from boltmod.runtime.cut.channel.spectrogram import Waterfall

_PICTURED = 8
"""Windows of a signal that its picture is drawn from."""


class Job:
    """A request that is being answered, and what has come of it so far.

    Args:
        request: What is asked.
        classifier: The network.
        recording: Where the samples come from.
        live: The same, if it is a stream.
    """

    def __init__(
        self,
        request: Request,
        classifier: Classifier,
        recording: Recording,
        live: LiveRecording | None = None,
    ) -> None:
        self.request, self.recording, self.live = request, recording, live
        self.engine = classifier.engine
        self.author = f"{classifier.model.name} in {self.engine.words}"
        self.tallies = Tallies(classifier.classes)
        self.pictured: dict[int, Samples] = {}
        self.waterfall: Waterfall | None = None
        if request.looks_for_signals:
            from boltmod.runtime.cut.channel.spectrogram import Waterfall
            from boltmod.runtime.cut.listener import Listener

            if request.picture is not None:
                self.waterfall = Waterfall()
            self.listener = Listener(request.constraints, self.waterfall)
            self.cut: Cut = self.listener
        else:
            from boltmod.runtime.cut.whole_band import WholeBand

            self.cut = WholeBand(with_places=request.is_stream)

    def add(self, windows: Windows, labels: Sequence[Label]) -> None:
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
        return (self.recording.n_samples or 0) % FRAME_LENGTH

    def head(self) -> dict[str, Any]:
        """What can be said at the beginning, for JSON."""
        request = self.request
        files = {"output": request.output, "picture": request.picture}
        return {
            "input": request.source,
            "model": str(request.model_path),
            "engine": str(self.engine),
            "rate_hz": self.recording.rate_hz,
            "centre_hz": self.recording.centre_hz,
            "notes": list(self.recording.notes),
        } | {name: str(path) for name, path in files.items() if path is not None}

    def counts(self) -> dict[str, Any]:
        """What can be said at the end."""
        dropped = {} if self.live is None else {"n_dropped": self.live.n_dropped}
        if self.request.looks_for_signals:
            signals = [asdict(each) for each in self.verdicts]
            carriers = [asdict(each) for each in self.listener.carriers]
            return dropped | {"signals": signals, "carriers": carriers}
        seen = self.n_by_class
        return dropped | {
            "n_windows": seen.total(),
            "n_left_over_samples": self.n_left_over_samples,
            "n_windows_by_class": {name: n for name, n in seen.most_common() if name is not None},
            "n_constant_windows": seen[None],
        }

    def draw_picture(self) -> None:
        """Draw the band and its signals, if that is asked for."""
        if self.waterfall is None or self.request.picture is None:
            return
        from boltmod.evaluation.plots import save
        from boltmod.evaluation.recording_picture import draw

        first = self.recording.first_sample
        verdicts = [replace(each, signal=each.signal.moved(-first)) for each in self.verdicts]
        figure = draw(self.recording, self.waterfall.measured(), verdicts, self.pictured)
        save(figure, self.request.picture)
