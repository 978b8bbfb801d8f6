"""Checkpoints: one safetensors file, its header carrying the state of the training as JSON.

One file and not two, because only one file can replace its predecessor in a single step; nothing in
it is ever executed on reading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from boltmod.errors import CheckpointError, ConfigError, first_line
from boltmod.files import replacing
from boltmod.nn import registry
from boltmod.run_folder import RunFolder
from boltmod.train.trainee import Trainee
from boltmod.untrusted import read_by

_HEADER = "boltmod"

_KINDS = ("network", "optimiser", "masks", "oscillation")
"""What tensors' names in the file begin with."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training can go on from.

    Args:
        network: The network's state dict.
        optimiser: The optimiser's tensors, named `<parameter number>.<name>`; empty at the end of
            a phase.
        masks: For each pruned weight tensor, by its name in the state dict: 1 kept, 0 zeroed.
        state: Plain values: the network's configuration, the phase, epoch and step, figures.
        oscillation: What is known of the weights' roundings, by layer; empty at a phase's end.
    """

    network: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor] = field(default_factory=dict)
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    oscillation: Mapping[str, Tensor] = field(default_factory=dict)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; a reader sees the old one or the new one, never half of it."""
    tensors: dict[str, Tensor] = {}
    for kind in _KINDS:
        for name, tensor in getattr(checkpoint, kind).items():
            tensors[f"{kind}/{name}"] = tensor.detach().cpu().contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_HEADER: json.dumps(dict(checkpoint.state))})
        except SafetensorError as error:  # a full disk is none of the system's errors to it
            raise OSError(f"{path}: {first_line(error)}") from None


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: The file is missing, damaged, or none of boltmod's checkpoints.
    """
    kinds: dict[str, dict[str, Tensor]] = {kind: {} for kind in _KINDS}
    try:
        with (
            read_by("safetensors", path, "safetensors", "train again", CheckpointError),
            safe_open(path, framework="pt") as file,
        ):
            state = json.loads((file.metadata() or {})[_HEADER])
            for name in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                kind, _, key = name.partition("/")
                kinds[kind][key] = file.get_tensor(name)
        if not isinstance(state, dict):
            raise CheckpointError("its state is no JSON object")
    except CheckpointError as error:
        raise CheckpointError(
            f"{path}: not a boltmod checkpoint ({error}); delete it to start its phase again"
        ) from None
    return Checkpoint(**kinds, state=state)


def restore(network: nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Put a checkpoint's weights into its network.

    Raises:
        CheckpointError: The checkpoint belongs to a network of another shape.
    """
    try:
        network.load_state_dict(dict(checkpoint.network))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: belongs to another network: {reason}") from None


def open_trainee(path: Path) -> Trainee:
    """Build the network that a checkpoint describes, and give it the checkpoint's weights.

    Raises:
        CheckpointError: The file is none of boltmod's checkpoints, or an older boltmod's.
    """
    found = load(path)
    try:
        described = dict(found.state["network"])
        config = registry.parse(str(described.pop("name")), described, may_import=False)
    except (KeyError, ConfigError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: does not say which network it holds ({error}); train it again"
        ) from None
    network = registry.build(config)
    restore(network, found, path)
    return Trainee(network, config, found.masks)


def identified(path: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """Read an earlier run's checkpoint; None if there is none.

    Raises:
        CheckpointError: It was made with another recipe, or is damaged.
    """
    if not path.exists():
        return None
    found = load(path)
    known = dict(found.state["identity"]) if isinstance(found.state.get("identity"), dict) else {}
    # What an earlier version did not write down, or what is gone by now, cannot be asked for.
    asked = {"sha256", *(known.keys() & identity.keys())}
    if any(known.get(key) != identity.get(key) for key in asked):
        raise CheckpointError(
            f"{path}: was made with another recipe, or its frames or its teacher have changed; "
            "choose another run folder, or delete this one"
        )
    return found


def file_of(path: Path) -> Path:
    """Return the checkpoint that a run folder, a phase's folder, or the file itself stands for.

    Raises:
        CheckpointError: There is none.
    """
    if path.is_file():
        return path
    if (path / "final.safetensors").is_file():
        return path / "final.safetensors"
    finished = RunFolder(path).finished
    if not finished:
        raise CheckpointError(
            f"{path}: holds no finished phase to learn from; name a run folder, a phase's folder "
            "in its checkpoints, or a .safetensors file"
        )
    return finished[-1]


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors."""
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in optimiser.state_dict()["state"].items()
        for name, value in values.items()
    }


def random_state() -> dict[str, str]:
    """Return where torch's generators stand, as plain values: what dropout goes on from."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {name: bytes(state.tolist()).hex() for name, state in states.items()}


def restore_random_state(states: Mapping[str, str]) -> None:
    """Let torch's generators go on from where they stood."""
    for name, digits in states.items():
        state = torch.tensor(list(bytes.fromhex(digits)), dtype=torch.uint8)
        if name == "cpu":
            torch.set_rng_state(state)
        elif torch.cuda.is_available():
            torch.cuda.set_rng_state(state)


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors back into an optimiser over the same parameters."""
    document = optimiser.state_dict()
    document["state"] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        document["state"].setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict(document)
