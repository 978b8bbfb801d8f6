import subprocess
import sys

import pytest

from boltmod import __version__
from boltmod.cli import app as command_line
from boltmod.errors import DataFormatError


def boltmod(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "boltmod", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_version() -> None:
    assert boltmod("--version").stdout == f"boltmod {__version__}\n"


def test_help_names_every_command_without_loading_torch() -> None:
    code = (
        "import sys, typer.testing as t; from boltmod.cli.app import app; "
        "print(t.CliRunner().invoke(app, ['--help']).output); "
        "print('torch' in sys.modules, 'onnx' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in ("run", "data", "evaluate", "classify", "cost", "report"):
        assert f" {command} " in done.stdout
    assert done.stdout.splitlines()[-1] == "False False False"


def test_wrong_usage_is_2_and_our_errors_are_1() -> None:
    assert boltmod("run").returncode == 2
    failed = boltmod("run", "/nowhere/recipe.toml")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("error: /nowhere/recipe.toml: cannot be read as a recipe")
    assert len(failed.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DataFormatError("x.h5 must be [HDF5]"), 1, "error: x.h5 must be [HDF5]"),
        (
            ModuleNotFoundError("no optuna", name="optuna"),
            1,
            "error: this needs optuna; install it with: pip install 'boltmod[search]'",
        ),
        (
            ModuleNotFoundError("no torch", name="torch.nn"),
            1,
            "error: this needs torch; install it with: pip install 'boltmod[train]'",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_how_commands_end(
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == status
    assert capsys.readouterr().err.strip() == line


def test_our_own_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModuleNotFoundError("no such module", name="boltmod.nowhere")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ModuleNotFoundError):
        command_line.main()
