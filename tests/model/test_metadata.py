import onnx
import pytest

import hand_made_networks as hand_made
from boltmod.errors import ModelFormatError
from boltmod.model import metadata
from boltmod.model.metadata import InputScaling, Metadata


def test_what_is_written_is_read():
    proto = hand_made.dense()
    told = Metadata(("A", 'B, "c"'), InputScaling.NONE, {"recipe": "demo", "seed": "7"})
    proto = metadata.write(proto, told)
    assert metadata.read(onnx.ModelProto.FromString(proto.SerializeToString())) == told


def test_writing_again_replaces_only_what_is_ours():
    proto = hand_made.dense()
    onnx.helper.set_model_props(proto, {"author": "someone"})
    proto = metadata.write(proto, Metadata(("A",), provenance={"seed": "7"}))
    proto = metadata.write(proto, Metadata(("B",)))
    assert metadata.read(proto) == Metadata(("B",))
    assert {p.key: p.value for p in proto.metadata_props}["author"] == "someone"


def test_a_model_without_description_has_none():
    assert metadata.read(hand_made.dense()) is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "boltmod.classes", "OOK, 4ASK",
            "boltmod.classes must be a JSON list of names, not 'OOK, 4ASK': export the model again",
        ),
        (
            "boltmod.classes", "[1, 2]",
            "boltmod.classes must be a JSON list of names, not '[1, 2]': export the model again",
        ),
        (
            "boltmod.input_scaling", "loud",
            "boltmod.input_scaling must be one of unit_std, none, not 'loud': "
            "export the model again",
        ),
    ],
)  # fmt: skip
def test_damaged_descriptions_are_refused(key, value, message):
    proto = hand_made.dense()
    proto = metadata.write(proto, Metadata(("A",)))
    entries = {p.key: p.value for p in proto.metadata_props} | {key: value}
    onnx.helper.set_model_props(proto, entries)
    with pytest.raises(ModelFormatError) as error:
        metadata.read(proto)
    assert str(error.value) == message
