"""boltmod: hardware-efficient automatic modulation classification.

All that is public lies here, in one flat namespace, and is loaded when it is first used. Modules
below this one are private: they may move and change.

    import boltmod

    boltmod.classify("recording.sigmf-meta")        # samples to labels
    boltmod.Classifier("boltnet").probabilities(frames)
    boltmod.evaluate("boltnet", "twin")             # how often it is right
    boltmod.cost("boltnet").score                   # what it costs
    boltmod.run("recipe.toml")                      # train, prune, export, verify, report
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from boltmod import extras

__version__ = "0.2.0"

if TYPE_CHECKING:
    from boltmod.cost.inference_cost import Cost as Cost
    from boltmod.cost.inference_cost import count as cost
    from boltmod.data.loader import choose as choose
    from boltmod.data.loader import random_batches as random_batches
    from boltmod.data.radioml import RadioMLFile as RadioMLFile
    from boltmod.data.split import official_split as official_split
    from boltmod.data.torch import RadioMLDataset as RadioMLDataset
    from boltmod.errors import BoltmodError as BoltmodError
    from boltmod.errors import CheckpointError as CheckpointError
    from boltmod.errors import ConfigError as ConfigError
    from boltmod.errors import CostMismatchError as CostMismatchError
    from boltmod.errors import DataFormatError as DataFormatError
    from boltmod.errors import ExportMismatchError as ExportMismatchError
    from boltmod.errors import ModelFormatError as ModelFormatError
    from boltmod.errors import ShapeError as ShapeError
    from boltmod.errors import SourceError as SourceError
    from boltmod.errors import ToolNotFoundError as ToolNotFoundError
    from boltmod.errors import UnsupportedOperatorError as UnsupportedOperatorError
    from boltmod.evaluation.evaluate import evaluate as evaluate
    from boltmod.evaluation.metrics import Evaluation as Evaluation
    from boltmod.integer.build import build as integer_program
    from boltmod.model.metadata import Metadata as Metadata
    from boltmod.model.onnx_file import Model as Model
    from boltmod.model.onnx_file import load as load_model
    from boltmod.modulation import CLASSES as CLASSES
    from boltmod.modulation import FRAME_LENGTH as FRAME_LENGTH
    from boltmod.modulation import SNR_LABELS as SNR_LABELS
    from boltmod.modulation import UNKNOWN as UNKNOWN
    from boltmod.modulation import Modulation as Modulation
    from boltmod.nn import quantizers as quantizers
    from boltmod.nn.network import Network as Network
    from boltmod.nn.network_config import NetworkConfig as NetworkConfig
    from boltmod.nn.number_format import NumberFormat as NumberFormat
    from boltmod.nn.number_format import QuantisedConfig as QuantisedConfig
    from boltmod.nn.registry import check_network as check_network
    from boltmod.pipeline.recipe import Recipe as Recipe
    from boltmod.pipeline.recipe import read_recipe as read_recipe
    from boltmod.pipeline.run import Outcome as Outcome
    from boltmod.pipeline.run import run as run
    from boltmod.recording.arrays import ArrayRecording as ArrayRecording
    from boltmod.recording.opening import open_recording as open_recording
    from boltmod.recording.recording import Recording as Recording
    from boltmod.runtime.classify import Classification as Classification
    from boltmod.runtime.classify import classify as classify
    from boltmod.runtime.cut.signal import Constraints as Constraints
    from boltmod.runtime.found_signal import FoundSignal as FoundSignal
    from boltmod.runtime.label import Label as Label
    from boltmod.runtime.session import Classifier as Classifier
    from boltmod.signal.generator import generate as generate
    from boltmod.signal.profile import Profile as Profile
    from boltmod.signal.profile import profile_from as profile_from

__all__ = [
    "ArrayRecording", "BoltmodError", "CLASSES", "CheckpointError", "Classification",
    "Classifier", "ConfigError", "Constraints", "Cost", "CostMismatchError", "DataFormatError",
    "Evaluation", "ExportMismatchError", "FRAME_LENGTH", "FoundSignal", "Label", "Metadata",
    "Model", "ModelFormatError", "Modulation", "Network", "NetworkConfig", "NumberFormat",
    "Outcome", "Profile", "QuantisedConfig", "RadioMLDataset", "RadioMLFile", "Recipe",
    "Recording", "SNR_LABELS", "ShapeError", "SourceError", "ToolNotFoundError", "UNKNOWN",
    "UnsupportedOperatorError", "__version__", "check_network", "choose", "classify", "cost",
    "evaluate", "generate", "integer_program", "load_model", "official_split", "open_recording",
    "profile_from", "quantizers", "random_batches", "read_recipe", "run",
]  # fmt: skip

_ROOMS = {
    "cost.inference_cost": ("Cost", "count as cost"),
    "data.loader": ("choose", "random_batches"),
    "data.radioml": ("RadioMLFile",),
    "data.split": ("official_split",),
    "data.torch": ("RadioMLDataset",),
    "errors": (
        "BoltmodError", "CheckpointError", "ConfigError", "CostMismatchError", "DataFormatError",
        "ExportMismatchError", "ModelFormatError", "ShapeError", "SourceError",
        "ToolNotFoundError", "UnsupportedOperatorError",
    ),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.metrics": ("Evaluation",),
    "integer.build": ("build as integer_program",),
    "model.metadata": ("Metadata",),
    "model.onnx_file": ("Model", "load as load_model"),
    "modulation": ("CLASSES", "FRAME_LENGTH", "SNR_LABELS", "UNKNOWN", "Modulation"),
    "nn": ("quantizers",),
    "nn.network": ("Network",),
    "nn.network_config": ("NetworkConfig",),
    "nn.number_format": ("NumberFormat", "QuantisedConfig"),
    "nn.registry": ("check_network",),
    "pipeline.recipe": ("Recipe", "read_recipe"),
    "pipeline.run": ("Outcome", "run"),
    "recording.arrays": ("ArrayRecording",),
    "recording.opening": ("open_recording",),
    "recording.recording": ("Recording",),
    "runtime.classify": ("Classification", "classify"),
    "runtime.cut.signal": ("Constraints",),
    "runtime.found_signal": ("FoundSignal",),
    "runtime.label": ("Label",),
    "runtime.session": ("Classifier",),
    "signal.generator": ("generate",),
    "signal.profile": ("Profile", "profile_from"),
}  # fmt: skip
"""Where each public name is loaded from; what type checkers see above says the same."""

_PLACES = {
    name.split(" as ")[-1]: (f"boltmod.{room}", name.split(" as ")[0])
    for room, names in _ROOMS.items()
    for name in names
}


if not TYPE_CHECKING:  # a checker that sees it takes every misspelt name for a good one

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'boltmod' has no attribute {name!r}")
        room, private = _PLACES[name]
        with extras.named(f"boltmod.{name}"):
            module = import_module(room)
            is_module = not hasattr(module, private)
            value = import_module(f"{room}.{private}") if is_module else getattr(module, private)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Namespace(ModuleType):
    """The package, on which the import system does not hang a room that a public name is like."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _PLACES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Namespace
