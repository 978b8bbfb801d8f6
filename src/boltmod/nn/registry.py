"""Which networks there are, by the name a recipe gives them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from boltmod.config import one_line
from boltmod.errors import ConfigError
from boltmod.nn.bacalhaunet import BacalhauNet, BacalhauNetConfig
from boltmod.nn.vgg import Vgg10, Vgg10Config


@runtime_checkable
class NetworkConfig(Protocol):
    """What every network's configuration offers."""

    @property
    def quantised(self) -> bool:
        """Whether the network has quantisers."""

    def in_float(self) -> NetworkConfig:
        """Return the same network without quantisers."""


NETWORKS: dict[str, tuple[Any, Any]] = {
    "bacalhaunet": (BacalhauNetConfig, BacalhauNet),
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
            return network
    raise ConfigError(f"config must be one of the networks' configurations, not {type(config)}")


def describe(config: NetworkConfig) -> dict[str, Any]:
    """Return a configuration as plain values, the network's name among them."""
    name = next(n for n, (config_type, _) in NETWORKS.items() if isinstance(config, config_type))
    return {"name": name, **asdict(config)}  # type: ignore[call-overload]


def _strict(config_type: Any) -> Any:
    config_type.__pydantic_config__ = ConfigDict(extra="forbid")
    return config_type
