"""What a run begins with: fresh weights, or those that the recipe's `start` names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from boltmod.compress import prune
from boltmod.errors import ConfigError
from boltmod.model import shipped
from boltmod.model.onnx_file import load
from boltmod.nn import registry
from boltmod.nn.network_config import NetworkConfig
from boltmod.nn.quantizers import parameters_but_weight_scales
from boltmod.pipeline.recipe import Recipe
from boltmod.train import checkpoint
from boltmod.train.calibrate import transfer
from boltmod.train.published import import_weights
from boltmod.train.trainee import Trainee


def start_file(path: Path) -> Path:
    """Return the file that a recipe's `start` stands for.

    Raises:
        CheckpointError: There is none.
    """
    path = shipped.find(path)
    return path if path.suffix == ".onnx" else checkpoint.file_of(path)


def begin(recipe: Recipe) -> Trainee:
    """Return what the first phase works on, with the recipe's own bits.

    Raises:
        ConfigError: The network that `start` names does not fit the recipe.
        CheckpointError: There is none, or it is damaged.
    """
    torch.manual_seed(recipe.seed)
    config = recipe.config
    if recipe.start is None:
        floating = config.in_float()
        return Trainee(registry.build(floating), floating, is_trained=False)
    path = start_file(recipe.start)
    trainee = _published(path, config) if path.suffix == ".onnx" else _trained(path, config)
    if trainee.config.quantised and not all(phase.has_quantisers for phase in recipe.phases):
        raise ConfigError(
            f"start: {recipe.start} is quantised, phases without quantisers cannot follow it; "
            "take quantised = false out"
        )
    return trainee


def _published(path: Path, config: NetworkConfig) -> Trainee:
    network = registry.build(config)
    import_weights(load(path), network)
    weights = prune.prunable(network).items()
    return Trainee(network, config, {name: (weight != 0).float() for name, weight in weights})


def _trained(path: Path, config: NetworkConfig) -> Trainee:
    found = checkpoint.open_trainee(path)
    config = replace(config, quantised=found.config.quantised)
    network = registry.build(config)
    if _shapes(found.network) != _shapes(network):
        raise ConfigError(
            f"start: {path} holds a network of another shape than [network] describes; "
            "give both the same shape (bits may differ)"
        )
    transfer(found.network, network)
    return Trainee(network, config, found.masks)


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    found = parameters_but_weight_scales(network).items()
    return {name: tuple(parameter.shape) for name, parameter in found}
