"""Which networks there are, by the name a recipe gives them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from boltmod.config import one_line
from boltmod.errors import ConfigError
from boltmod.nn.aaronnet import AaronNet, AaronNetConfig
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig
from boltmod.nn.boltnet import BoltNet, BoltNetConfig
from boltmod.nn.fieldnet import FieldNet, FieldNetConfig
from boltmod.nn.imperial import Imperial, ImperialConfig
from boltmod.nn.network_config import NetworkConfig
from boltmod.nn.quantizers import bit_width, set_bit_width
from boltmod.nn.teacher import Teacher, TeacherConfig
from boltmod.nn.vgg import Vgg10, Vgg10Config

NETWORKS: dict[str, tuple[Any, Any]] = {
    "aaronnet": (AaronNetConfig, AaronNet),
    "bacalhaunet": (BacalhauNetConfig, BacalhauNet),
    "boltnet": (BoltNetConfig, BoltNet),
    "fieldnet": (FieldNetConfig, FieldNet),
    "imperial": (ImperialConfig, Imperial),
    "teacher": (TeacherConfig, Teacher),
    "vgg10": (Vgg10Config, Vgg10),
}


def parse(name: str, parameters: dict[str, Any]) -> NetworkConfig:
    """Return a network's configuration from its name and parameters.

    Raises:
        ConfigError: No such network, or a parameter it does not have, or of the wrong type.
    """
    if name not in NETWORKS:
        raise ConfigError(f"network.name must be one of {', '.join(NETWORKS)}, not {name}")
    config_type, _ = NETWORKS[name]
    adapter = TypeAdapter(_strict(config_type))
    try:
        config: NetworkConfig = adapter.validate_python(parameters)
    except ValidationError as error:
        raise ConfigError(f"network ({name}): {one_line(error)}") from None
    return config


def build(config: NetworkConfig) -> nn.Module:
    """Return the network of a configuration, its weights drawn from torch's generator."""
    for config_type, network_type in NETWORKS.values():
        if isinstance(config, config_type):
            network: nn.Module = network_type(config)
            if config.quantised:
                set_bit_widths(network, config.bit_widths)
            return network
    raise ConfigError(f"config must be one of the networks' configurations, not {type(config)}")


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
    """Return a configuration as plain values, the network's name among them."""
    name = next(n for n, (config_type, _) in NETWORKS.items() if isinstance(config, config_type))
    return {"name": name, **asdict(config)}


def _strict(config_type: Any) -> Any:
    config_type.__pydantic_config__ = ConfigDict(extra="forbid")
    return config_type
