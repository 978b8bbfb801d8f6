"""The public namespace: light, lazy, typed, and every example in it runs."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import boltmod
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from tiny_recipe import RECIPE

SOURCE = Path(boltmod.__file__)
PHASE = """[[phases]]
name = "only"
kind = "train"
epochs = 1
batch_size = 128
"""
TINY = RECIPE[: RECIPE.index("[[phases]]")] + PHASE + RECIPE[RECIPE.index("[export]") :]


def python(code: str, words: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], input=words, capture_output=True, text=True, check=False
    )


def has_example(name: str) -> bool:
    value = getattr(boltmod, name)
    is_error = inspect.isclass(value) and issubclass(value, BaseException)
    return callable(value) and (not is_error or value is boltmod.BoltmodError)


EXAMPLES = [name for name in boltmod.__all__ if has_example(name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples find where they run."""
    folder = tmp_path_factory.mktemp("examples")
    make(Plan(frames_per_cell=1, seed=1), folder / "twin.hdf5")
    (folder / "tiny.toml").write_text(TINY)
    return folder


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    value = getattr(boltmod, name)
    (test,) = doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    assert test.examples, f"{name} must show how it is used"
    assert any(f"boltmod.{name}" in line.source for line in test.examples) or name in (
        "Classification", "Cost", "Evaluation", "FoundSignal", "Label", "Metadata", "Model",
        "Outcome",
    )  # fmt: skip
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(test, out=said.append)
    assert not said, "".join(said)


def test_importing_loads_nothing_heavy() -> None:
    heavy = ("torch", "onnx", "onnxruntime", "h5py", "scipy", "numpy", "pydantic", "qonnx")
    done = python(f"import sys, boltmod; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_names_are_loaded_when_they_are_used() -> None:
    code = (
        "import sys, boltmod\n"
        "boltmod.CLASSES, boltmod.open_recording\n"
        "print([m for m in ('torch', 'onnxruntime', 'h5py') if m in sys.modules])\n"
        "boltmod.Classifier\n"
        "import boltmod.challenge.entry\n"
        "print('torch' in sys.modules, 'onnxruntime' in sys.modules)\n"
    )
    assert python(code).stdout == "[]\nFalse False\n"


def test_a_room_never_takes_a_names_place() -> None:
    code = (
        "import boltmod.cost.inference_cost\n"
        "from boltmod.cost import inference_cost\n"
        "import boltmod\n"
        "print(boltmod.cost is inference_cost.count, boltmod.cost('boltnet').bops)\n"
        "from boltmod import cost\n"
        "print(cost is inference_cost.count)\n"
    )
    done = python(code)
    assert done.stdout == "True 2175528\nTrue\n", done.stderr


def test_what_types_see_is_what_is_loaded() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If))
    typed = {
        str(alias.asname): (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == boltmod._PLACES
    assert sorted(boltmod.__all__) == sorted([*typed, "__version__"]) == dir(boltmod)
    assert (SOURCE.parent / "py.typed").is_file()
    for name in boltmod.__all__:
        assert getattr(boltmod, name) is not None


def test_the_page_lists_every_name_and_no_page_uses_another() -> None:
    folder = Path(__file__).resolve().parents[2]
    listed = re.findall(r"\w+", (folder / "docs" / "api.md").read_text(encoding="utf-8"))
    assert set(boltmod.__all__) - {"__version__"} <= set(listed)
    for page in (folder / "README.md", *(folder / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for code in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            assert not re.search(r"boltmod\.\w+ import|import boltmod\.", code), page.name
            used = set(re.findall(r"\bboltmod\.(\w+)", code))
            assert used <= set(boltmod.__all__), page.name


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match=r"^module 'boltmod' has no attribute 'classyfy'$"):
        boltmod.classyfy  # type: ignore[attr-defined]  # noqa: B018


WITHOUT_TRAIN = """
import sys, boltmod
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "tomli_w", "jaxtyping", "brevitas"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
for code in sys.stdin:
    try:
        exec(code)
    except ImportError as error:
        print(error)
"""


def test_a_missing_extra_is_named_in_one_line() -> None:
    needs = {
        "boltmod.generate": "boltmod.generate needs torch",
        "boltmod.run": "boltmod.run needs tomli_w",
        "boltmod.evaluate('boltnet', 'twin', frames_per_cell=1)": "boltmod.evaluate needs torch",
        "from boltmod import quantizers": "boltmod.quantizers needs torch",
    }
    done = python(WITHOUT_TRAIN, "\n".join(needs))
    assert done.stdout.splitlines() == [
        f"{need}; install it with: pip install 'boltmod[train]'" for need in needs.values()
    ], done.stderr
