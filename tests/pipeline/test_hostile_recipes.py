"""Recipes of anybody's: one line, whatever they hold."""

from pathlib import Path

import pytest

import boltmod
from boltmod.errors import ConfigError
from boltmod.search.space import read_space

RECIPE = """
name = "x"
[network]
name = "bacalhaunet"
[[phases]]
name = "first"
kind = "train"
epochs = 1
[[phases]]
name = "less"
kind = "prune"
epochs = 1
rounds = 2
fraction = 0.5
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 1\n[[", "epochs = 1\nlearning_rate = inf\n[["),
        ("epochs = 1\n[[", "epochs = 1\nlearning_rate = nan\n[["),
        ("epochs = 1\n[[", "epochs = 1\ngradient_clip = inf\n[["),
        ("rounds = 2", "rounds = 18446744073709551616"),
        ('name = "x"', 'name = "x"\nseed = 18446744073709551616'),
        ('name = "x"', 'name = "x"\nseed = ' + "[" * 100_000),
    ],
)
def test_numbers_and_nesting_without_end(tmp_path, old, new):
    assert old in RECIPE
    path = tmp_path / "x.toml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(ConfigError) as error:
        boltmod.read_recipe(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["[0, 1, 2, 1, 2]", "[-3, 1, 2, 1, 2]"])
def test_strides_that_go_nowhere(tmp_path, value):
    path = tmp_path / "x.toml"
    path.write_text(RECIPE.replace('"bacalhaunet"', f'"bacalhaunet"\nstrides = {value}'))
    with pytest.raises(ConfigError, match=r"network\.strides must be numbers from 1 up"):
        boltmod.read_recipe(path)


@pytest.mark.parametrize(
    "value",
    [
        "{ low = 1, high = 1e999 }",
        "{ low = 1, high = " + "1" * 400 + " }",
        "{ low = 0, high = 4, step = 1e-320 }",
        "{ low = 0, high = 4.5, step = nan }",
    ],
)
def test_ranges_without_end(tmp_path, value):
    path = tmp_path / "x.toml"
    base = RECIPE.replace("[network]", "[base.network]").replace("[[phases]]", "[[base.phases]]")
    base = base.replace('name = "x"', 'name = "x"\n[base]\nname = "x"', 1)
    path.write_text(f"{base}\n[search]\nnetwork.pool = {value}\n")
    with pytest.raises(ConfigError, match=r"search\.network\.pool") as error:
        read_space(path)
    assert "\n" not in str(error.value)


def test_a_recipe_as_it_should_be(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(RECIPE)
    assert len(boltmod.read_recipe(path).phases) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", b'name = "\x00"', b"a" * 2_000_000])
def test_what_is_no_recipe(tmp_path, content):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        boltmod.read_recipe(path)


def test_a_device():
    with pytest.raises(ConfigError, match="must be a recipe of at most 1 MiB, and is larger"):
        boltmod.read_recipe(Path("/dev/zero"))
