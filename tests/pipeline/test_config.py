from pathlib import Path

import pytest

from boltmod.errors import ConfigError
from boltmod.pipeline.recipe import read_recipe

MINIMAL = """
name = "small"
[network]
name = "bacalhaunet"
channels = [4, 4]
[data]
frames_per_epoch = 1000
[[phases]]
name = "float"
kind = "train"
quantised = false
epochs = 1
[[phases]]
name = "prune"
kind = "prune"
epochs = 1
fraction = 0.5
"""


def message(tmp_path: Path, text: str) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_recipe(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(MINIMAL)
    recipe = read_recipe(path)
    assert recipe.seed == 2018
    assert recipe.network.parameters == {"channels": [4, 4]}
    assert [phase.kind for phase in recipe.phases] == ["train", "prune"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "frames_per_epoch",
            "frames_per_epok",
            "data.frames_per_epok is not a known key; did you mean frames_per_epoch?",
        ),
        ('name = "small"\n', "", "name is missing"),
        (
            "epochs = 1\nfraction",
            "epochs = -3\nfraction",
            "phases.1.epochs must be greater than or equal to 1, not -3",
        ),
        (
            "epochs = 1\nfraction",
            "epoks = 1\nfraction",
            "phases.1.epoks is not a known key; did you mean epochs?",
        ),
        (
            "[data]\n",
            '[data]\nsource = "hdf5"\n',
            'data: path must be given with source = "hdf5", and only then',
        ),
        (
            'name = "prune"\n',
            'name = "float"\n',
            "recipe: phases must have different names",
        ),
        (
            "fraction = 0.5",
            "fraction = 0.5\nthreshold = 0.1",
            "phases.1: either fraction or threshold must be given, not both",
        ),
        (
            'kind = "prune"',
            'kind = "polish"',
            "phases.1.kind must be one of 'train', 'prune', 'feedback', 'lower'",
        ),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in MINIMAL
    assert message(tmp_path, MINIMAL.replace(old, new, 1)) == expected


def test_the_exported_network_must_be_quantised(tmp_path: Path) -> None:
    text = MINIMAL[: MINIMAL.rindex("[[phases]]")]
    assert message(tmp_path, text) == (
        "recipe: the last phase must be quantised: its network is exported; for a floating-point "
        "model say unquantised = true under [export]"
    )
    path = tmp_path / "float.toml"
    path.write_text(text + "[export]\nunquantised = true\n")
    assert read_recipe(path).export.unquantised


def test_not_toml_and_missing(tmp_path: Path) -> None:
    assert message(tmp_path, "name = ").startswith("not TOML: ")
    with pytest.raises(ConfigError, match="cannot be read as a recipe"):
        read_recipe(tmp_path / "absent.toml")
