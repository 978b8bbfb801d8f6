"""What a run says of itself, on a terminal and elsewhere; the clock is the test's own."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from boltmod.cli.run_watcher import RunWatcher, duration, standing

STEP = {
    "phase": "prune-1", "epoch": 2, "epochs": 3, "done": 600_000, "total": 1_500_000,
    "loss": 1.23456, "accuracy": 0.4567, "frames_per_s": 1000.0,
}  # fmt: skip
LINE = (
    "prune-1      epoch   2 of 3, 40.0% done  loss 1.235  accuracy 0.457  1,000 frames/s  "
    "15 min left of the phase, about 1 h 05 min of the training"
)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A watcher whose words are kept, a line each."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.file, self.clock = io.StringIO(), Clock()
        console = Console(file=self.file, width=140, highlight=False, force_terminal=terminal)
        self.watcher = RunWatcher(console, self.clock)

    @property
    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def after(self, seconds: float) -> list[str]:
        """Let time pass and the watcher look up; all lines so far."""
        self.clock.now += seconds
        self.watcher.speak()
        return self.lines


def test_a_line_when_nothing_was_said_for_half_a_minute() -> None:
    heard = Heard()
    heard.watcher.phase_begins("prune-1", 1_500_000, 3_000_000)
    heard.watcher.step(STEP)
    assert heard.after(29) == []
    assert heard.after(1) == [LINE]
    assert heard.after(29) == [LINE]
    assert heard.after(1) == [LINE, LINE]


def test_a_run_never_keeps_silent_for_a_minute() -> None:
    heard = Heard()
    heard.watcher.phase_begins("prune-1", 1_500_000, 3_000_000)
    spoken = []
    for _ in range(400):
        heard.clock.now += 1.5
        heard.watcher.step(STEP)
        before = len(heard.lines)
        heard.watcher.speak()
        spoken += [heard.clock.now] * (len(heard.lines) - before)
    gaps = [b - a for a, b in zip([5000.0, *spoken], [*spoken, heard.clock.now], strict=True)]
    assert max(gaps) < 60


def test_an_epoch_s_figures_put_the_next_line_off() -> None:
    heard = Heard()
    heard.watcher.step(STEP)
    heard.clock.now += 20
    heard.watcher.epoch({**STEP, "validation_accuracy": 0.5})
    end = "prune-1      epoch   2  loss 1.235  accuracy 0.457  validation 0.500  1,000 frames/s"
    assert heard.after(20) == [end]
    assert heard.after(10) == [end, LINE.replace(", about 1 h 05 min of the training", "")]


def test_what_is_said_between_the_steps() -> None:
    heard = Heard()
    heard.watcher.phase_begins("lower", 0, 0)
    assert heard.after(30) == ["lower        has begun, no step yet"]
    heard.watcher.phase_ends({"phase": "lower", "validation_accuracy": 0.5, "sparsity": 0.25})
    assert heard.after(30)[1:] == [
        "lower        done: validation 0.500, 25% of the weights zero",
        "lower        is done, what comes next is being prepared",
    ]
    heard.watcher.notify("evaluating", 512, 24_960)
    heard.watcher.notify("evaluating", 1024, 24_960)
    assert heard.after(30)[3:] == ["evaluating", "evaluating: 1,024 of 24,960"]


def test_a_terminal_has_bars_alone() -> None:
    heard = Heard(terminal=True)
    heard.watcher.phase_begins("prune-1", 1_500_000, 3_000_000)
    heard.watcher.step(STEP)
    assert heard.after(300) == []


def test_the_lines_come_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    heard = Heard()
    looked_up: list[float] = []

    def wait(self: Any, seconds: float) -> bool:
        looked_up.append(seconds)
        heard.clock.now += seconds
        return len(looked_up) > 4

    monkeypatch.setattr(heard.watcher._ended, "wait", wait.__get__(heard.watcher._ended))
    heard.watcher.step(STEP)
    with heard.watcher:
        for thread in threading.enumerate():
            if thread.name == "run watcher":
                thread.join()
    assert looked_up == [15] * 5
    assert len(heard.lines) == 2


@pytest.mark.parametrize(
    ("frames_after", "left"),
    [
        (None, "15 min left of the phase"),
        (0, "15 min left of the phase, about 15 min of the training"),
        (9_000_000, "15 min left of the phase, about 2 h 45 min of the training"),
    ],
)
def test_time_left_of_the_training_is_said_where_it_is_known(
    frames_after: int | None, left: str
) -> None:
    assert standing(STEP, frames_after).endswith(f"1,000 frames/s  {left}")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"), (59.4, "59 s"), (59.7, "1 min"), (3594, "1 h 00 min"), (7260, "2 h 01 min"),
        (90_000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
