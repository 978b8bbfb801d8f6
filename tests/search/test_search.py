"""Searching: trials drawn, weighed, trained, given up, interrupted, taken up again."""

import json
import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.pipeline.recipe import read_recipe
from boltmod.search import objective, storage, worker
from boltmod.search.folder import SearchFolder, is_free, locked
from boltmod.search.results import write_results
from boltmod.search.run import Settings, search
from boltmod.search.space import RecipeSpace, read_space
from boltmod.search.storage import (
    MOST_DEATHS,
    free_trials_of_the_dead,
    latest_attempts,
    open_study,
    sign,
    take_up_again,
)
from boltmod.search.trials import trials_of
from boltmod.search.worker import NOTHING_LEFT, Order, _Worker
from boltmod.search.workers import Workers
from small_space import SPACE

FEW = '[search]\nnetwork.stem_channels = [4, 6]\nnetwork.features = ["max", "mean"]\n'


@pytest.fixture
def space_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SPACE + FEW)
    return path


def hand(space_path: Path, trials: int | None, stop: Any = None) -> _Worker:
    """A worker in this process."""
    folder = SearchFolder(space_path.parent / "out")
    folder.path.mkdir(exist_ok=True)
    order = Order(
        space=space_path, folder=folder.path, storage=folder.storage, trials=trials, threads=1,
        parent=os.getppid(),
    )  # fmt: skip
    opened = read_space(space_path)
    study = open_study(opened, folder.storage)
    return _Worker(order, opened, study, "me", stop or threading.Event())


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that are not about their cost, which takes longest."""
    cost = SimpleNamespace(bops=9, weight_bits=9, score=0.001, strict=None)
    for place in ("pipeline.stages.network_cost", "search.objective.network_cost",
                  "search.objective.untrained_cost"):  # fmt: skip
        monkeypatch.setattr(f"boltmod.{place}", lambda *_: cost)


def quick(monkeypatch: pytest.MonkeyPatch, ends: dict[int, Any] | None = None) -> list[int]:
    """Let trials end at once: with (accuracy, score), or with what is raised; their numbers."""
    begun: list[int] = []

    def run_trial(
        opened: RecipeSpace, folder: SearchFolder, trial: optuna.Trial, check: Any
    ) -> Any:
        number = objective.own_number(trial.study, objective.frozen(trial))
        objective.drawn(opened, trial, number)
        objective._refuse_repetition(trial, number)
        begun.append(number)
        end = (ends or {}).get(number, (0.5, 0.01))
        if isinstance(end, BaseException):
            raise end
        trial.set_user_attr("accuracy", end[0])
        trial.set_user_attr("score", end[1])
        return end

    monkeypatch.setattr(worker, "run_trial", run_trial)
    return begun


def standings(study: Study) -> list[str]:
    return [trial.standing for trial in trials_of(study)]


def test_a_trial_is_a_run_and_its_recipe_goes_on_from_it(space_path: Path) -> None:
    hands = hand(space_path, 1)
    assert hands.work() == 0
    (trial,) = trials_of(hands.study)
    assert trial.standing == "trained"
    assert list(trial.accuracies or {}) == ["float 1", "prune-1 1", "prune-2 1"]
    files = SearchFolder(space_path.parent / "out")
    records = [json.loads(line) for line in files.trial(0).metrics.read_text().splitlines()]
    assert trial.accuracy == records[-1]["validation_accuracy"]
    assert trial.score == records[-1]["score"] == trial.strict_score
    assert trial.untrained_score is not None
    assert trial.score < 0.5 * trial.untrained_score
    (path,) = write_results(hands.opened, files, (trial,), (trial,))
    written = read_recipe(path)
    assert written.name == "small-0"
    assert written.network.parameters["stem_channels"] == trial.values["network.stem_channels"]
    from boltmod.pipeline.run import claim

    claim(written, files.trial(0))
    assert files.picture.read_bytes()[:4] == b"\x89PNG"
    assert "small-0" not in files.page.read_text()
    assert "to the end" in files.page.read_text()


def test_what_is_too_dear_is_not_trained(space_path: Path) -> None:
    space_path.write_text("maximum_score = 0.00001\n" + SPACE + FEW)
    hands = hand(space_path, 1)
    assert hands._try_one(ExitStack()) == "too dear"
    (trial,) = trials_of(hands.study)
    assert trial.standing == "too dear"
    assert trial.untrained_score is not None
    expected = 0.25 * trial.untrained_score
    assert trial.remark == f"expected score {expected:.6f}, the limit is 1e-05"
    assert not SearchFolder(space_path.parent / "out").trial(0).path.exists()


class StopAfter:
    """Stops a worker at its n-th look."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.usefixtures("uncounted")
def test_an_interrupted_trial_is_taken_up_where_it_was(space_path: Path) -> None:
    # One look before the trial, one as the first phase begins, two steps, then the next phase.
    assert hand(space_path, 1, StopAfter(5)).work() == 0
    again = hand(space_path, 1)
    assert standings(again.study) == ["waiting"]
    begun = trials_of(again.study)[0]
    files = SearchFolder(space_path.parent / "out").trial(0)
    first_epoch = files.metrics.read_text().splitlines()[0]
    assert again.work() == 0
    (trial,) = trials_of(again.study)
    assert trial.standing == "trained"
    assert trial.values == begun.values
    lines = files.metrics.read_text().splitlines()
    assert lines[0] == first_epoch
    assert [json.loads(line)["phase"] for line in lines] == [
        "float", "float", "prune-1", "prune-1", "prune-2", "prune-2",
    ]  # fmt: skip
    assert [t.state for t in again.study.get_trials()] == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.usefixtures("uncounted")
def test_bad_trials_are_given_up(space_path: Path) -> None:
    space_path.write_text(SPACE + FEW + "[stopping]\ntrials = 1\nsimilar_cost = 100\n")
    hands = hand(space_path, 1)
    ideal = {"float 1": 0.9, "prune-1 1": 0.9}
    hands.study.add_trial(
        optuna.create_trial(
            values=[0.9, 0.1], user_attrs={"untrained_score": 0.001, "accuracies": ideal}
        )
    )
    assert hands._try_one(ExitStack()) == "stopped"
    trial = trials_of(hands.study)[1]
    assert trial.was_trained
    assert list(trial.accuracies or {}) == ["float 1", "prune-1 1"]
    assert trial.remark.endswith(
        "after prune-1 1, where half of 1 trials of similar cost had reached 0.900"
    )


def test_nothing_is_tried_twice_and_a_small_space_ends(
    space_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = quick(monkeypatch)
    monkeypatch.setattr(worker, "MOST_REJECTED", 30)
    hands = hand(space_path, None)
    assert hands.work() == NOTHING_LEFT
    trials = trials_of(hands.study)
    assert len(begun) == 4
    assert len({str(t.values) for t in trials if t.standing == "trained"}) == 4
    repeated = next(t for t in trials if t.standing == "repeated")
    original = next(t for t in trials if t.values == repeated.values)
    assert repeated.remark == f"the same as trial {original.number}"


def test_enough_is_enough_over_all_runs(space_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = quick(monkeypatch)
    assert hand(space_path, 2).work() == 0
    assert hand(space_path, 3).work() == 0
    assert hand(space_path, 3).work() == 0
    assert len(begun) == 3


def test_failures_in_a_row_end_a_worker(
    space_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # A failed trial's choice may be drawn again: nothing is known against it.
    quick(monkeypatch, dict.fromkeys(range(3), RuntimeError("no memory")))
    hands = hand(space_path, None)
    assert hands.work() == worker.ALL_FAIL
    trials = trials_of(hands.study)
    assert [t.standing for t in trials] == ["failed"] * 3
    assert trials[0].remark == "RuntimeError: no memory"
    assert "no memory" in capfd.readouterr().err


def test_what_does_not_go_together_is_impossible(space_path: Path) -> None:
    space_path.write_text(
        SPACE + "[search]\nnetwork.stem_kernel_size = [3]\nnetwork.bit_widths.stem.conv = [4]\n"
    )
    hands = hand(space_path, 1)
    assert hands._try_one(ExitStack()) == "impossible"
    (trial,) = trials_of(hands.study)
    assert trial.remark.startswith("network.bit_widths must name layers or activations, not stem")


def killed(hands: _Worker, name: str) -> None:
    """Leave a trial as a worker of that name leaves it that is killed."""
    with pytest.warns(UserWarning, match="Heartbeat"):  # it will not be heard of again
        trial = hands.study.ask()
    sign(trial, name)
    trial.suggest_categorical("network.features", ["max", "mean"])


def test_the_trials_of_the_killed_are_taken_up_again(space_path: Path) -> None:
    hands = hand(space_path, None)
    folder = SearchFolder(space_path.parent / "out")
    with locked(folder.life("alive")):
        pass
    killed(hands, "dead")
    assert free_trials_of_the_dead(hands.study, folder) == []
    with locked(folder.life("dead")):
        assert not is_free(folder.life("dead"))
        assert free_trials_of_the_dead(hands.study, folder) == []
    assert free_trials_of_the_dead(hands.study, folder) == [0]
    assert free_trials_of_the_dead(hands.study, folder) == []
    (trial,) = trials_of(hands.study)
    assert trial.standing == "waiting"
    assert trial.values == hands.study.get_trials()[0].params


def test_a_deadly_trial_is_given_up_at_last(space_path: Path) -> None:
    hands = hand(space_path, None)
    folder = SearchFolder(space_path.parent / "out")
    with locked(folder.life("dead")):
        pass
    for _ in range(MOST_DEATHS + 1):
        killed(hands, "dead")
        free_trials_of_the_dead(hands.study, folder)
    (trial,) = trials_of(hands.study)
    assert trial.standing == "failed"
    assert trial.remark == "its worker died 6 times"
    assert len(latest_attempts(hands.study)) == 1


def test_the_seed_decides_what_is_proposed(space_path: Path, monkeypatch: Any) -> None:
    quick(monkeypatch)
    space_path.write_text(SPACE + "[search]\nnetwork.stem_channels = { low = 1, high = 999 }\n")

    def proposed(folder: str, seed: int) -> list[Any]:
        text = space_path.read_text().replace("seed = 3", f"seed = {seed}")
        path = space_path.parent / folder / "space.toml"
        path.parent.mkdir()
        path.write_text(text)
        hands = hand(path, 14)
        hands.work()
        return [trial.values for trial in trials_of(hands.study)]

    first = proposed("a", 3)
    assert first == proposed("b", 3)
    assert first != proposed("c", 4)
    assert len({str(values) for values in first}) == 14


def test_a_stop_changes_no_proposal(space_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def searched(folder: str, ends: dict[int, Any] | None = None) -> list[Any]:
        path = space_path.parent / folder / "space.toml"
        path.parent.mkdir()
        path.write_text(SPACE + "[search]\nnetwork.stem_channels = { low = 1, high = 999 }\n")
        hands = hand(path, 12)
        begun = quick(monkeypatch, ends)
        for number in ends or {}:
            hands._try_one(ExitStack())
            assert begun[-1] == number
        quick(monkeypatch)
        assert hands.work() == 0
        return [(trial.number, trial.standing, trial.values) for trial in trials_of(hands.study)]

    stopped = {0: KeyboardInterrupt(), 1: KeyboardInterrupt()}
    assert searched("whole") == searched("stopped once", {0: stopped[0]})
    with pytest.raises(AssertionError):  # a waiting trial is taken before a new one is proposed
        searched("stopped twice", stopped)


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_what_was_half_proposed_is_proposed_as_it_would_have_been(
    space_path: Path, sampler: str
) -> None:
    """A worker is killed between a trial's first value and its second one."""
    wide = "{ low = 1, high = 999 }"
    space_path.write_text(
        SPACE.replace("seed = 3", f'seed = 3\nsampler = "{sampler}"')
        + f"[search]\nnetwork.stem_channels = {wide}\ndata.frames_per_epoch = {wide}\n"
    )
    opened = read_space(space_path)

    def proposed(folder: str, n_before: int) -> dict[str, Any]:
        study = open_study(opened, f"sqlite:///{space_path.parent / folder}.sqlite3")
        killed, names = study.ask(), [each.name for each in opened.space.dimensions]
        for name in names[:n_before]:
            killed.suggest_int(name, 1, 999)
        take_up_again(study, study.get_trials()[killed.number])
        study.tell(killed, state=TrialState.FAIL)
        again = open_study(opened, f"sqlite:///{space_path.parent / folder}.sqlite3").ask()
        return {name: again.suggest_int(name, 1, 999) for name in names}

    whole = proposed("whole", 0)
    assert len(set(whole.values())) == 2
    assert proposed("half", 1) == whole
    assert proposed("both", 2) == whole


def test_a_storage_is_there_whole_or_not_at_all(
    space_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = space_path.parent / "out"
    place.mkdir()
    url = f"sqlite:///{place / 'search.sqlite3'}"

    def killed(made: str, **_: Any) -> Any:
        Path(made.removeprefix("sqlite:///")).write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "RDBStorage", killed)
        with pytest.raises(KeyboardInterrupt):
            open_study(read_space(space_path), url)
    assert list(place.iterdir()) == []
    open_study(read_space(space_path), url)
    assert [each.name for each in place.iterdir()] == ["search.sqlite3"]


def test_where_no_file_can_be_in_two_folders(
    space_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:
        raise OSError("links are not known")

    monkeypatch.setattr(os, "link", unknown)
    path = space_path.parent / "search.sqlite3"
    open_study(read_space(space_path), f"sqlite:///{path}")
    assert path.stat().st_size


def test_a_search_of_other_numbers_is_not_gone_on_with(space_path: Path) -> None:
    hands = hand(space_path, None)
    study = hands.study
    study._storage.set_study_user_attr(study._study_id, "numbering", None)
    assert hand(space_path, None).study.user_attrs["numbering"] == "proposals"
    with locked(SearchFolder(space_path.parent / "out").life("dead")):
        pass
    killed(hands, "dead")
    free_trials_of_the_dead(study, SearchFolder(space_path.parent / "out"))
    study._storage.set_study_user_attr(study._study_id, "numbering", None)
    with pytest.raises(ConfigError) as caught:
        hand(space_path, None)
    assert str(caught.value) == (
        "small in this storage was begun and interrupted by an earlier boltmod, which numbered its "
        "trials otherwise; name another folder with --out"
    )


def test_a_trial_that_nobody_signed_is_taken_up_again(
    space_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = quick(monkeypatch)
    hands = hand(space_path, 1)
    with pytest.warns(UserWarning, match="Heartbeat"):  # killed before it could sign
        hands.study.ask()
    monkeypatch.setattr("boltmod.search.storage.HEARTBEAT_SECONDS", 0)
    assert hands.work() == 0
    assert begun == [0]
    assert standings(hands.study) == ["trained"]


def test_a_storage_belongs_to_one_space(space_path: Path) -> None:
    hand(space_path, 1)
    space_path.write_text(SPACE + '[search]\nnetwork.features = ["max", "mean"]\n')
    with pytest.raises(ConfigError) as caught:
        hand(space_path, 1)
    assert str(caught.value) == (
        "small in this storage is the search of another base, of other choices or for another "
        "score; give the space another name, or name another folder with --out"
    )
    space_path.write_text("maximum_score = 0.5\n" + SPACE + FEW)
    hand(space_path, 1)


@pytest.mark.parametrize(
    ("storage", "error", "start"),
    [
        ("nonsense", ConfigError, "storage must be a database that can be opened, not nonsense ("),
        (
            "sqlite:////nowhere/a.sqlite3", ConfigError,
            "storage must be a database that can be opened, not sqlite:////nowhere/a.sqlite3 (",
        ),
        (
            "oracle://me:secret@host/x", ToolNotFoundError,
            "oracle://host/x needs its database's driver; install it",
        ),
    ],
)  # fmt: skip
def test_a_storage_that_cannot_be_opened(
    storage: str, error: type[Exception], start: str, space_path: Path
) -> None:
    with pytest.raises(error) as caught:
        open_study(read_space(space_path), storage)
    assert str(caught.value).startswith(start)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(workers=0), "workers must be at least 1, not 0"),
        (Settings(trials=-1), "trials must be at least 0, not -1"),
        (Settings(hours=0.0), "hours must be above 0, not 0"),
    ],
)
def test_settings_are_checked(settings: Settings, message: str, space_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        search(space_path, space_path.parent / "out", settings, lambda *_: None, lambda: False)
    assert str(caught.value) == message


def test_a_crew_that_fails_says_why(space_path: Path, tmp_path: Path) -> None:
    order = hand(space_path, 1).order
    space_path.write_text("name = 1")
    workers = Workers(order, 1)
    (process,) = workers._processes.values()
    process.join()
    with pytest.raises(ConfigError) as caught:
        workers.poll()
    log = tmp_path / "out" / "workers" / "1.log"
    assert str(caught.value) == (
        f"worker 1 failed; the last words in {log} are: boltmod.errors.ConfigError: {space_path}: "
        "name must be a valid string, not 1"
    )


def test_a_killed_worker_is_replaced_and_its_trial_goes_on(space_path: Path) -> None:
    out = space_path.parent / "killed"
    command = ["search", str(space_path), "--out", str(out), "--trials", "1", "--json"]
    killed = threading.Event()

    def kill() -> None:
        while not (out / "trials" / "0000" / "checkpoints" / "00-float").exists():
            if killed.wait(0.05):
                return
        (life,) = (out / "workers").glob("*.alive")
        os.kill(int(life.name.rsplit("-", 2)[1]), signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        done = CliRunner().invoke(app, command, catch_exceptions=False)
    finally:
        was_killed = killed.is_set()
        killed.set()
        killer.join()
    assert was_killed
    outcome = json.loads(done.stdout)
    assert done.exit_code == 0
    assert "worker 1 was killed (signal 9); another takes its place" in done.stderr
    assert [t["standing"] for t in outcome["trials"]] == ["trained"]
    assert outcome["ending"] == "enough trials"
    lines = (out / "trials" / "0000" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 6
    for path in (outcome["picture"], outcome["page"], outcome["front"][0]["recipe"]):
        assert Path(path).stat().st_size > 0
