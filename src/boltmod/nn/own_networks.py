"""Networks that are defined outside the package: found by entry point or by `module:Class`."""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from boltmod.errors import ConfigError, first_line
from boltmod.modulation import FRAME_LENGTH
from boltmod.nn.mode import evaluating
from boltmod.nn.network_config import NetworkConfig

GROUP = "boltmod.networks"
"""The group of entry points that name networks."""

_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def names() -> list[str]:
    """Names of the networks that installed packages bring."""
    return sorted({each.name for each in metadata.entry_points(group=GROUP)})


def load(name: str, *, may_import: bool) -> Any:
    """Return the class that a name stands for; None if it is neither a place nor an entry point.

    Args:
        name: `module:Class`, or an entry point's name.
        may_import: Whether a module may be imported for it. What a file names that somebody else
            may have written must be imported already.

    Raises:
        ConfigError: There is no such module or class, or it must not be imported.
    """
    if ":" in name:
        return _at_place(name, may_import)
    found = {each.value: each for each in metadata.entry_points(group=GROUP, name=name)}
    if not found:
        return None
    if len(found) > 1:
        raise ConfigError(
            f"network.name {name} must stand for one network, not for {' and '.join(found)}: "
            "name it as module:Class"
        )
    try:
        return next(iter(found.values())).load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"network.name {name} must be an entry point that loads, which it does not ({error}): "
            "install its package again"
        ) from None


def _at_place(name: str, may_import: bool) -> Any:
    if not _PLACE.fullmatch(name):
        raise ConfigError(f"network.name must be a name or module:Class, not {name!r}")
    module_name, _, class_name = name.partition(":")
    module = sys.modules.get(module_name)
    if module is None and not may_import:
        raise ConfigError(
            f"network {name} must be imported before a file that names it is read: "
            f"import {module_name} first, or make it an entry point of {GROUP}"
        )
    if module is None:
        module = _imported(module_name, name)
    try:
        return getattr(module, class_name)
    except AttributeError:
        raise ConfigError(
            f"network.name {name} must name a class of {module_name}, which has no {class_name}"
        ) from None


def _imported(module_name: str, name: str) -> Any:
    try:
        with _current_folder():
            return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise  # what the module itself imports
        raise ConfigError(
            f"network.name {name} must name a module that Python finds, and there is no "
            f"{error.name}: run where it lies, or add its folder to PYTHONPATH"
        ) from None


@contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules of the current folder be found, after all others."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def check_class(name: str, found: Any) -> None:
    """Refuse a class that does not look like a network.

    Raises:
        ConfigError: It is no module of torch's, or its configuration is no frozen dataclass.
    """
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"network {name} must be a class that extends torch.nn.Module")
    config_type = getattr(found, "config_type", None)
    if not (isinstance(config_type, type) and issubclass(config_type, NetworkConfig)):
        raise ConfigError(
            f"network {name} must have config_type, a frozen dataclass that extends NetworkConfig"
        )
    parameters = vars(config_type).get("__dataclass_params__")
    if not dataclasses.is_dataclass(config_type) or parameters is None or not parameters.frozen:
        raise ConfigError(
            f"network {name} must have a frozen dataclass as config_type, which "
            f"{config_type.__name__} is not: write @dataclass(frozen=True) above it"
        )


@torch.no_grad()
def check_contract(network: nn.Module, config: NetworkConfig, floating: nn.Module | None) -> None:
    """Hold a network against the contract, `boltmod.nn.network.Network`.

    Args:
        network: The network.
        config: Its configuration.
        floating: The same without quantisers; None if it is `network`.

    Raises:
        ConfigError: It breaks the contract.
    """
    kind = type(network).__name__
    wanted = (2, len(config.classes))
    for each in (network, floating):
        if each is None:
            continue
        try:
            with evaluating(each):
                scores = each(torch.zeros(2, 2, config.frame_length))
        except RuntimeError as error:
            if config.frame_length == FRAME_LENGTH:
                raise
            raise ConfigError(
                f"network {kind} must take frames of {config.frame_length} samples, and does not "
                f"({first_line(error)}): choose another frame_length, or thin them out less"
            ) from None
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        if shape != wanted:
            raise ConfigError(
                f"network {kind} must map frames (2, 2, {config.frame_length}) to scores {wanted}, "
                f"one a class of its configuration, not to {shape}"
            )
    if floating is None:
        return
    state = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
    for name, tensor in floating.named_parameters():
        if state.get(name) != tuple(tensor.shape):
            raise ConfigError(
                f"network {kind} must have the same parameters with quantisers as without, and "
                f"{name} is {tuple(tensor.shape)} without and {state.get(name, 'missing')} with"
            )
