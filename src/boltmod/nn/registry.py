"""Which networks there are, by the name a recipe gives them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from boltmod.errors import ConfigError
from boltmod.modulation import FRAME_LENGTH
from boltmod.nn import own_networks
from boltmod.nn.aaronnet import AaronNet
from boltmod.nn.bacalhaunet import BacalhauNet
from boltmod.nn.boltnet import BoltNet
from boltmod.nn.fieldnet import FieldNet
from boltmod.nn.imperial import Imperial
from boltmod.nn.network import Network
from boltmod.nn.network_config import NetworkConfig
from boltmod.nn.quantizers import bit_width, set_bit_width
from boltmod.nn.teacher import Teacher
from boltmod.nn.vgg import Vgg10
from boltmod.toml_table import one_line

NETWORKS: dict[str, type[Network]] = {
    "aaronnet": AaronNet,
    "bacalhaunet": BacalhauNet,
    "boltnet": BoltNet,
    "fieldnet": FieldNet,
    "imperial": Imperial,
    "teacher": Teacher,
    "vgg10": Vgg10,
}
"""The networks of the package, by name."""

_own: dict[str, type[Network]] = {}
"""Networks of others that were found, by the names they were found by."""

_names: dict[type[NetworkConfig], str] = {each.config_type: name for name, each in NETWORKS.items()}
"""What the network of a configuration of exactly this type is called."""


def find(name: str, *, may_import: bool = True) -> type[Any]:
    """Return the class of a network.

    Args:
        name: One of the package's, an entry point of the group `boltmod.networks`, or
            `module:Class`.
        may_import: Whether a module may be imported for `module:Class`. What somebody else's file
            names must be imported already: reading a file runs no code that it chooses.

    Raises:
        ConfigError: There is none of that name, or it breaks the contract.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name in _own and ":" not in name:
        return _own[name]
    # A class at a place is looked up anew: in a notebook it may have been written again.
    found: type[Any] | None = own_networks.load(name, may_import=may_import)
    if found is None:
        known = (*NETWORKS, *own_networks.names())
        raise ConfigError(f"network.name must be one of {', '.join(known)}, not {name}")
    own_networks.check_class(name, found)
    other = _names.get(found.config_type, name)
    if other != name and (NETWORKS | _own)[other] is not found:
        raise ConfigError(
            f"network {name} must have a config_type of its own, not that of {other}: "
            f"derive one from {found.config_type.__name__}"
        )
    _own[name] = found
    _names.setdefault(found.config_type, name)
    return found


def parse(name: str, parameters: dict[str, Any], *, may_import: bool = True) -> NetworkConfig:
    """Return a network's configuration from its name and parameters.

    Args:
        name: As for `find`.
        parameters: What its configuration takes.
        may_import: As for `find`.

    Raises:
        ConfigError: No such network, or a parameter it does not have, or of the wrong type, or
            a size below 1.
    """
    config_type = find(name, may_import=may_import).config_type
    try:
        config: NetworkConfig = TypeAdapter(_strict(config_type)).validate_python(parameters)
    except ValidationError as error:
        raise ConfigError(f"network ({name}): {one_line(error, config_type)}") from None
    for field in ("channels", "kernel_sizes", "strides"):
        values = getattr(config, field, ())
        if isinstance(values, tuple) and any(isinstance(n, int) and n < 1 for n in values):
            raise ConfigError(
                f"network.{field} must be numbers from 1 up, not {list(values)}: raise the others"
            )
    return config


def build(config: NetworkConfig) -> nn.Module:
    """Return the network of a configuration, its weights drawn from torch's generator.

    Raises:
        ConfigError: The configuration is none of a known network's.
    """
    name = _name_of(config)
    network: Any = (NETWORKS | _own)[name](config)
    if config.quantised:
        set_bit_widths(network, config.bit_widths)
    found: nn.Module = network
    return found


def check_network(name: str, **parameters: Any) -> nn.Module:
    """Build a network and hold it against the contract, `boltmod.Network`.

    Args:
        name: One of the package's, an entry point of the group `boltmod.networks`, or
            `module:Class`.
        **parameters: What its configuration takes; its defaults if left out.

    Returns:
        The network, untrained.

    Raises:
        ConfigError: There is none of that name, or it breaks the contract.

    Examples:
        >>> import boltmod
        >>> network = boltmod.check_network("boltnet")
        >>> type(network).__name__
        'BoltNet'
    """
    return check(parse(name, parameters))


def check(config: NetworkConfig) -> nn.Module:
    """Build the network of a configuration and hold it against the contract.

    Raises:
        ConfigError: It breaks it.
    """
    network = build(config)
    with torch.random.fork_rng():
        floating = build(config.in_float()) if config.quantised else None
        own_networks.check_contract(network, config, floating)
    return network


def check_unknown(config: NetworkConfig) -> None:
    """Hold a network that is not known to keep the contract against it, before it is trained.

    The package's own keep it, for frames of 1024 samples.
    """
    if _name_of(config) not in NETWORKS or config.frame_length != FRAME_LENGTH:
        with torch.random.fork_rng():
            check(config)


def _name_of(config: NetworkConfig) -> str:
    name = _names.get(type(config))
    # A class that was written again has taken the name, and has another type of configuration.
    if name is None or (NETWORKS | _own)[name].config_type is not type(config):
        raise ConfigError(
            f"config must be that of a known network, not {type(config).__name__}: give the "
            "network that it belongs to a name, by an entry point or as module:Class"
        )
    return name


def set_bit_widths(network: nn.Module, bit_widths: Mapping[str, int]) -> None:
    """Give single layers and activations of a quantised network other bit widths.

    Args:
        network: The network, changed in place.
        bit_widths: Bits, by the name of the module.

    Raises:
        ConfigError: There is no such module, it is not quantised, or the bits are not 2 to 32.
    """
    for name, width in bit_widths.items():
        try:
            module = network.get_submodule(name)
        except AttributeError:
            known = [n for n, m in network.named_modules() if bit_width(m) is not None]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"network.bit_widths must name layers or activations, not {name}"
                f"; did you mean {near[0]}?"
            ) from None
        if not 2 <= width <= 32:
            raise ConfigError(f"network.bit_widths.{name} must be 2 to 32 bits, not {width}")
        set_bit_width(module, width)


def describe(config: NetworkConfig) -> dict[str, Any]:
    """Return a configuration as plain values, the network's name among them.

    Raises:
        ConfigError: The configuration is none of a known network's.
    """
    described = {"name": _name_of(config), **asdict(config)}
    # What most leave as it is, and files of earlier versions do not have.
    for name, usual in (("class_names", ()), ("frame_length", FRAME_LENGTH)):
        if described[name] == usual:
            del described[name]
    return described


def _strict(config_type: Any) -> Any:
    config_type.__pydantic_config__ = ConfigDict(extra="forbid")
    return config_type
