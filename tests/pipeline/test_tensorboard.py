from pathlib import Path

from tensorboardX.proto import event_pb2

from boltmod.pipeline.tensorboard import TensorBoard
from small_runs import Watcher


def events(folder: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of every figure in a folder's event files (TFRecord)."""
    found = []
    for path in sorted(folder.glob("events.*")):
        content, place = path.read_bytes(), 0
        while place < len(content):
            length = int.from_bytes(content[place : place + 8], "little")
            event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            place += length + 16
    return found


def test_figures_stand_under_their_phase_and_epoch(tmp_path: Path) -> None:
    watcher = Watcher()
    with TensorBoard(tmp_path / "board", watcher) as board:
        board.phase_begins("float", 100, None)
        board.step({"phase": "float"})
        board.epoch({"phase": "float", "epoch": 3, "loss": 1.5, "validation_accuracy": 0.25})
        board.phase_ends({"phase": "float", "validation_accuracy": 0.25, "sparsity": 0.5})
    assert events(tmp_path / "board") == [
        ("float/loss", 3, 1.5),
        ("float/validation_accuracy", 3, 0.25),
        ("float/end/validation_accuracy", 0, 0.25),
        ("float/end/sparsity", 0, 0.5),
    ]
    assert len(watcher.epochs) == len(watcher.phases) == 1
