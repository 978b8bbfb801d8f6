import pytest

from boltmod.pipeline.phase.train import TrainPhase
from boltmod.train.schedule import learning_rate


def phase(schedule: str) -> TrainPhase:
    return TrainPhase(
        kind="train", name="p", epochs=10, learning_rate=0.5, schedule=schedule, restart_epochs=5
    )


def rates(schedule: str) -> list[float]:
    return [learning_rate(phase(schedule), step, 20) for step in range(200)]


def test_one_cycle_rises_to_the_peak_and_ends_near_zero() -> None:
    curve = rates("one_cycle")
    peak = curve.index(max(curve))
    assert max(curve) == pytest.approx(0.5, rel=1e-3)
    assert curve[0] == pytest.approx(0.5 / 25)
    assert curve[-1] == pytest.approx(0.5e-4)
    assert curve[: peak + 1] == sorted(curve[: peak + 1])
    assert curve[peak:] == sorted(curve[peak:], reverse=True)


def test_cosine_restarts_start_again() -> None:
    curve = rates("cosine_restarts")
    assert curve[:100] == curve[100:]
    assert curve[0] == 0.5
    assert curve[50] == pytest.approx(0.25)


def test_cosine_and_constant() -> None:
    assert rates("cosine")[100] == pytest.approx(0.25)
    assert set(rates("constant")) == {0.5}
