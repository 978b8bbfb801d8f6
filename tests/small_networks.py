"""Every network of the package, as small as it still has all its parts."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "aaronnet": {"filters": 3, "n_blocks": 1, "dense": [6]},
    "bacalhaunet": {"channels": [4, 4], "kernel_sizes": [3, 3], "strides": [1, 1]},
    "boltnet": {"channels": [4], "kernel_sizes": [3], "strides": [1], "max_pools": ["none"]},
    "fieldnet": {"channels": [4], "kernel_sizes": [3], "strides": [4], "hidden_units": 6},
    "imperial": {"channels": 4, "dense": 6},
    "teacher": {
        "channels": [4, 4], "kernel_sizes": [3, 3], "dilations": [1, 2], "strides": [8, 1],
        "dense": [8],
    },
    "vgg10": {"channels": 4, "dense": [6]},
}  # fmt: skip

QUANTISED = [name for name in SMALL if name != "teacher"]
