import json
from pathlib import Path

import pytest

from boltmod.data.class_order import columns, is_misleading, read_names
from boltmod.errors import DataFormatError
from boltmod.modulation import CLASSES, MISLEADING_ORDER


def test_names_are_found_in_any_order() -> None:
    names = sorted(CLASSES)
    assert tuple(names[i] for i in columns(names)) == CLASSES


def test_the_misleading_order_moves_nothing() -> None:
    assert is_misleading(MISLEADING_ORDER)
    assert not is_misleading(CLASSES)
    assert columns(MISLEADING_ORDER) == list(range(24))


def test_names_that_are_not_the_classes() -> None:
    with pytest.raises(DataFormatError) as error:
        columns(CLASSES[:11])
    assert str(error.value) == (
        "class names must be those of RadioML 2018.01A's 24 classes, not 11 of them; "
        f"its own are {', '.join(CLASSES)}"
    )


def test_lists_are_read_as_python_or_json(tmp_path: Path) -> None:
    text = tmp_path / "classes.txt"
    text.write_text("classes = ['" + "',\n '".join(MISLEADING_ORDER) + "']\n")
    assert is_misleading(read_names(text))
    listing = tmp_path / "classes.json"
    listing.write_text(json.dumps(list(CLASSES)))
    assert tuple(read_names(listing)) == CLASSES


def test_a_list_without_names(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("none\n")
    with pytest.raises(DataFormatError) as error:
        read_names(path)
    assert str(error.value) == (
        f"{path} must hold class names in quotes or as a JSON list, and holds none; "
        "remove it, or write them so"
    )
