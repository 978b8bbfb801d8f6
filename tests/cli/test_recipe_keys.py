"""`boltmod recipes`: recipes by name from anywhere, and every key explained from its model."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.cli.recipes import shipped
from boltmod.cli.recipes.keys import keys, network_keys, schema
from boltmod.cli.recipes.page import page
from boltmod.errors import ConfigError

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return CliRunner().invoke(app, ["recipes", *map(str, arguments)])


def test_the_page_and_the_schema_are_up_to_date():
    advice = "write it again: boltmod recipes {0} > docs/{1}"
    stored = (ROOT / "docs/recipes.md").read_text()
    assert stored == page(), advice.format("reference", "recipes.md")
    stored = json.loads((ROOT / "docs/recipes.schema.json").read_text())
    assert stored == schema(), advice.format("schema", "recipes.schema.json")


def test_every_key_says_what_it_means_and_whether_it_must_be_given():
    known = keys()
    by_path = {key.path: key for key in known}
    assert len(by_path) == len(known) > 80
    assert [key.path for key in known if not key.meaning] == []
    assert by_path["data.scale"].default == "1.0"
    assert by_path["data.scale"].allowed == "above 0, up to 1"
    assert by_path["phases.train.learning_rate"].meaning == "The highest learning rate."
    assert by_path["phases.prune.rounds"].type == "integer"
    assert by_path["name"].default is None
    networks = {key.path for key in network_keys()}
    assert "network.boltnet.channels" in networks


@pytest.mark.parametrize("name", shipped.names())
def test_the_schema_takes_every_recipe(name):
    jsonschema.validate(tomllib.loads(shipped.path_of(name).read_text()), schema())


@pytest.mark.parametrize(
    "change", [{"sede": 1}, {"seed": -1}, {"name": "no spaces"}, {"phases": []}]
)
def test_the_schema_refuses_what_no_recipe_may_say(change):
    recipe = tomllib.loads(shipped.path_of("demo").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(recipe | change, schema())


def test_a_copy_is_the_recipe_and_nothing_is_written_over(tmp_path):
    out = tmp_path / "mine.toml"
    assert json.loads(run("copy", "demo", out, "--json").stdout) == {"path": str(out)}
    assert out.read_text() == (ROOT / "recipes/demo.toml").read_text()
    out.write_text("mine")
    assert str(run("copy", "demo", out).exception) == (
        f"{out} must not exist yet: choose another name, or replace it with --force"
    )
    assert out.read_text() == "mine"
    assert str(run("copy", "dem").exception).endswith("not 'dem'; did you mean demo?")


def test_a_name_is_a_recipe_where_no_file_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.found(Path("demo")) == shipped.path_of("demo")
    for given in ("demo.toml", "recipes/demo", "./x/demo"):
        assert shipped.found(Path(given)) == Path(given)
    Path("demo").touch()
    assert shipped.found(Path("demo")) == Path("demo")
    with pytest.raises(ConfigError, match="recipe must be one of aaronnet32, "):
        shipped.found(Path("nothing-like-it"))


def test_a_key_is_explained():
    (found,) = json.loads(run("explain", "data.scale", "--json").stdout)
    assert found["default"] == "1.0"
    text = run("explain", "fraction").stdout
    assert "phases.prune.fraction: number, above 0, below 1; default null" in text
    assert "phases.feedback.fraction: number, above 0, below 1; default 0.2" in text
    assert "network.boltnet.channels: list of integer" in run("explain", "channels").stdout
    assert str(run("explain", "fractoin").exception) == (
        "key must be one that recipes have, not 'fractoin': did you mean fraction?"
    )


def test_the_list_says_what_each_makes():
    listed = json.loads(run("list", "--json").stdout)
    assert [each["name"] for each in listed] == sorted(
        path.stem for path in (ROOT / "recipes").glob("*.toml")
    )
    assert all(each["about"] for each in listed)
