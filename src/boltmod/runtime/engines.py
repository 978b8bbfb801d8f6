"""What runs a model: the integer engine, or ONNX Runtime where it has no meaning in integers."""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import cache

from boltmod.errors import ConfigError, ToolNotFoundError, UnsupportedOperatorError
from boltmod.integer.engine.engine import Engine, of_model
from boltmod.model.onnx_file import Model

_log = logging.getLogger("boltmod")


class EngineName(StrEnum):
    """What runs a model."""

    AUTO = "auto"
    """The integer engine if the model has a meaning in integers, ONNX Runtime if not."""

    INTEGER = "integer"
    """The network as an exact integer program (docs/integer.md)."""

    ONNXRUNTIME = "onnxruntime"
    """The network's operators in float32, one by one."""

    @property
    def words(self) -> str:
        """What to call it in a sentence."""
        return "ONNX Runtime" if self is EngineName.ONNXRUNTIME else f"the {self} engine"


def integer_engine(model: Model, name: str) -> Engine | None:
    """Return the engine that shall run a model; None for ONNX Runtime.

    Args:
        model: The network.
        name: One of `EngineName`.

    Raises:
        ConfigError: There is no engine of that name.
        UnsupportedOperatorError: The integer engine is asked for and cannot run the model.
        ToolNotFoundError: The integer engine is asked for and there is no compiler for its kernel.
    """
    if name not in list(EngineName):
        raise ConfigError(
            f"engine must be one of {', '.join(EngineName)}, not {name!r}: take one of these"
        )
    if name == EngineName.ONNXRUNTIME:
        return None
    try:
        return of_model(model)
    except UnsupportedOperatorError:
        if name == EngineName.INTEGER:
            raise
    except ToolNotFoundError as error:
        if name == EngineName.INTEGER:
            raise
        _say_once(str(error))
    return None


@cache
def _say_once(reason: str) -> None:
    _log.warning("ONNX Runtime takes the integer engine's place: %s", reason)
