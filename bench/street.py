"""What is found on a generated street: signals as real receivers hear them, with known truth.

    python bench/street.py --captures 2000 --seed 1
    python bench/street.py --captures 360 --seed 1 --of remotes

Each capture (street_captures.py, street_remotes.py) goes the way of `boltmod classify --channel
auto`. Printed by kind: signals found, centred within 5 % of their bandwidth, their symbol rate
within 1 % where they have one, how many rates were said to be sure and how many of those were
right, labels right, false signals a capture, and processor time. The last line has the figures of
all.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from boltmod.model import shipped
from boltmod.recording.raw import SampleFormat
from boltmod.recording.stretch import Stretch
from boltmod.runtime.cut.listener import Listener
from boltmod.runtime.cut.signal import Signal
from boltmod.runtime.labelling import label
from boltmod.runtime.session import Classifier
from boltmod.runtime.verdict import Tallies, Verdict
from street_captures import KINDS as STREET
from street_captures import Capture, Truth, captures
from street_remotes import KINDS as REMOTES

SETS = {"street": STREET, "remotes": REMOTES}

CENTRED = 0.05
"""Share of the bandwidth that a centre may be off by."""
RATE = 0.01
"""Share that a symbol rate may be off by."""


@dataclass(frozen=True)
class Held:
    """A capture as a recording."""

    capture: Capture
    name: str = "street"
    centre_hz: float | None = None
    first_sample: int = 0
    sample_format: SampleFormat = SampleFormat.CF32
    notes: tuple[str, ...] = ()

    @property
    def rate_hz(self) -> float:
        """Samples a second."""
        return self.capture.rate_hz

    @property
    def n_samples(self) -> int:
        """How many there are."""
        return len(self.capture.samples)

    def stretches(self, n_samples: int) -> Iterator[Stretch]:
        """Its samples in pieces."""
        samples = self.capture.samples.astype(np.complex64)
        for start in range(0, len(samples), n_samples):
            yield Stretch(start, samples[start : start + n_samples])


@dataclass
class Score:
    """Counts of what was right."""

    captures: int = 0
    wanted: int = 0
    found: int = 0
    centred: int = 0
    rates: int = 0
    rates_right: int = 0
    sure: int = 0
    sure_right: int = 0
    labels_right: int = 0
    false: int = 0
    seconds: float = 0.0

    def add(self, other: Score) -> None:
        """Count another in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def row(self, name: str) -> str:
        """The counts as a line of the table."""
        cells = [
            _share(self.found, self.wanted), _share(self.centred, self.wanted),
            _share(self.rates_right, self.rates), f"{self.sure_right}/{self.sure}",
            _share(self.labels_right, self.wanted), f"{self.false / max(1, self.captures):.2f}",
            f"{self.seconds / max(1, self.captures):.3f}",
        ]  # fmt: skip
        return f"{name:16s}" + "".join(f"{cell:>11s}" for cell in cells)

    def figures(self) -> str:
        """The counts in a line of words."""
        n, wanted = max(1, self.captures), max(1, self.wanted)
        return (
            f"{self.captures} captures: found {self.found / wanted:.3f}, "
            f"centred {self.centred / wanted:.3f}, "
            f"rate {self.rates_right / max(1, self.rates):.3f}, "
            f"sure right {self.sure_right / max(1, self.sure):.4f}, "
            f"label {self.labels_right / wanted:.3f}, "
            f"false signals {self.false / n:.2f} a capture, "
            f"{self.seconds / n:.3f} s of processor time a capture"
        )


HEADING = f"{'kind':16s}" + "".join(
    f"{each:>11s}" for each in ("found", "centred", "rate", "sure", "label", "false/cap", "s/cap")
)


def _share(n: int, of: int) -> str:
    return f"{n}/{of}" if of else "-"


def heard(classifier: Classifier | None, capture: Capture) -> list[Verdict]:
    """What boltmod says of a capture."""
    listener = Listener()
    tallies = Tallies(() if classifier is None else classifier.classes)
    for windows in listener(Held(capture)):
        if classifier is not None:
            tallies.add(windows, label(classifier, windows))
    return tallies.verdicts(listener.signals)


def score(capture: Capture, verdicts: list[Verdict]) -> tuple[Score, list[str]]:
    """Compare what was said with what is true, and say what was wrong."""
    result, wrong = Score(captures=1), []
    left = list(verdicts)
    for truth in sorted(capture.truths, key=lambda each: not each.is_wanted):
        best = min(left, key=lambda each: _distance(each.signal, truth), default=None)
        is_found = best is not None and _distance(best.signal, truth) < math.inf
        if best is not None and is_found:
            left.remove(best)
        if not truth.is_wanted:
            if best is not None and is_found and best.class_name not in truth.labels:
                result.false += 1
                wrong.append(f"spur at {truth.centre_hz:.0f} named {_said(best)}")
            continue
        one = _judged(best if is_found else None, truth)
        result.add(one)
        is_right = one.centred and one.labels_right and one.rates_right == one.rates
        if not is_right or one.sure_right < one.sure:
            wrong.append(
                f"{'/'.join(sorted(truth.labels))} at {truth.centre_hz:.0f} Hz, "
                f"{truth.bandwidth_hz:.0f} wide, {truth.symbol_rate_hz or 0:.1f} Bd: "
                + (_said(best) if best is not None and is_found else "not found")
            )
    result.false += len(left)
    return result, wrong + [f"false: {_said(each)}" for each in left]


def _said(verdict: Verdict) -> str:
    signal = verdict.signal
    sure = "sure" if signal.symbol_rate_is_sure else "guess"
    return (
        f"{verdict.class_name} at {signal.middle_hz:.0f} Hz, {signal.bandwidth_hz:.0f} wide, "
        f"{signal.symbol_rate_hz:.1f} Bd ({sure}), "
        f"{math.nan if signal.snr_db is None else signal.snr_db:.0f} dB; carrier: "
        f"{signal.evidence.carrier}; clock: {signal.evidence.clock}"
    )


def _judged(verdict: Verdict | None, truth: Truth) -> Score:
    has_rate = truth.symbol_rate_hz is not None
    result = Score(wanted=1, rates=int(has_rate))
    if verdict is None:
        return result
    signal = verdict.signal
    off_hz = abs(signal.middle_hz - truth.centre_hz)
    result.found = 1
    result.centred = int(off_hz <= CENTRED * truth.bandwidth_hz)
    rate_hz = truth.symbol_rate_hz
    is_right = rate_hz is not None and abs(signal.symbol_rate_hz / rate_hz - 1) <= RATE
    result.rates_right = int(is_right)
    result.sure = int(signal.symbol_rate_is_sure and not truth.has_free_rate)
    result.sure_right = int(bool(result.sure) and is_right)
    result.labels_right = int(verdict.class_name in truth.labels)
    return result


def _distance(signal: Signal, truth: Truth) -> float:
    """How far a signal is from being a true one; infinite if they have nothing in common."""
    off_hz = abs(signal.offset_hz - truth.centre_hz)
    common = sum(max(0, min(b, truth.span[1]) - max(a, truth.span[0])) for a, b in signal.spans)
    if not common or off_hz > (signal.bandwidth_hz + truth.bandwidth_hz) / 2:
        return math.inf
    share = common / (truth.span[1] - truth.span[0])
    ratio = abs(math.log2(signal.bandwidth_hz / truth.bandwidth_hz))
    return off_hz / truth.bandwidth_hz + ratio / 2 + (1 - share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="the network; the shipped one if not")
    parser.add_argument("--no-labels", action="store_true", help="leave the network out")
    parser.add_argument("--of", choices=list(SETS), default="street", help="which set of kinds")
    parser.add_argument("--kinds", nargs="*", default=[], metavar="KIND", help="some of the set's")
    parser.add_argument("--wrong", action="store_true", help="say what was wrong")
    args = parser.parse_args()
    makers = {name: SETS[args.of][name] for name in args.kinds or SETS[args.of]}
    classifier = None
    if not args.no_labels:
        classifier = Classifier(args.model or shipped.path_of("field"), threads=1)
    by_kind: dict[str, Score] = defaultdict(Score)
    for number, capture in enumerate(captures(makers, args.captures, args.seed)):
        began = time.process_time()
        verdicts = heard(classifier, capture)
        seconds = time.process_time() - began
        one, wrong = score(capture, verdicts)
        one.seconds = seconds
        by_kind[capture.kind].add(one)
        if args.wrong:
            for line in wrong:
                print(f"{number} {capture.kind}: {line}", flush=True)
    print(HEADING)
    whole = Score()
    for name, one in by_kind.items():
        print(one.row(name))
        whole.add(one)
    print(whole.row("all"))
    print(whole.figures())


if __name__ == "__main__":
    main()
