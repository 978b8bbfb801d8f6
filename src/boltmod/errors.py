"""The exceptions boltmod raises on purpose.

Whatever else escapes is a defect of boltmod, and the command line shows its traceback.

    BoltmodError
    ├── ConfigError               a recipe, an option or a parameter is wrong: change it
    ├── DataFormatError           a file is not what it should be: take or make another one
    ├── ShapeError                an array has the wrong shape: reshape it
    ├── ModelFormatError          a model cannot be read or has another input: export it again
    ├── UnsupportedOperatorError  a model holds an operator boltmod does not know
    ├── ExportMismatchError       the exported model computes something else than the network
    ├── CheckpointError           a checkpoint belongs to another network or is damaged
    ├── CostMismatchError         two ways of counting the same cost disagree
    ├── SourceError               a live source cannot be reached or is silent: start it
    └── ToolNotFoundError         an optional package or tool is not installed
"""

from __future__ import annotations


class BoltmodError(Exception):
    """Root of everything boltmod raises on purpose; its message is one line with the way out.

    Examples:
        >>> import boltmod
        >>> try:
        ...     boltmod.load_model("nowhere.onnx")
        ... except boltmod.BoltmodError as error:
        ...     print(type(error).__name__)
        ModelFormatError
    """


class ConfigError(BoltmodError):
    """A recipe, an option or a parameter is wrong."""


class DataFormatError(BoltmodError):
    """A data set or recording is not what it should be."""


class ShapeError(BoltmodError):
    """An array has the wrong shape."""


class ModelFormatError(BoltmodError):
    """A model file cannot be read, or takes another input than I/Q frames."""


class UnsupportedOperatorError(BoltmodError):
    """A model holds an operator that cannot be lowered, run or counted."""


class ExportMismatchError(BoltmodError):
    """The exported model and the network it was exported from disagree."""


class CheckpointError(BoltmodError):
    """A checkpoint is damaged or belongs to another network."""


class CostMismatchError(BoltmodError):
    """Two ways of counting the same inference cost disagree."""


class SourceError(BoltmodError):
    """A live source of samples cannot be reached, or brings none."""


class WorkerError(BoltmodError):
    """A process that works for this one ends again and again."""


class ToolNotFoundError(BoltmodError):
    """An optional package or tool is not installed."""


def first_line(reason: object) -> str:
    """What an error says, on one line; its kind if it says nothing."""
    return (str(reason).strip() or type(reason).__name__).splitlines()[0]
