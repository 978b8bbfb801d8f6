"""The recipe that trains in a second: of the tests, and of what damages and kills runs."""

import tomllib

RECIPE = """
name = "tiny"
seed = 7
[network]
name = "bacalhaunet"
pool = 8
channels = [4, 4]
kernel_sizes = [5, 3]
strides = [2, 2]
[data]
frames_per_epoch = 384
validation_frames = 96
[[phases]]
name = "float"
kind = "train"
quantised = false
epochs = 2
batch_size = 64
[[phases]]
name = "quantise"
kind = "train"
epochs = 1
batch_size = 64
[[phases]]
name = "prune"
kind = "prune"
epochs = 1
rounds = 2
fraction = 0.5
batch_size = 64
[export]
frames = 256
[evaluation]
frames_per_cell = 1
"""

NETWORK = tomllib.loads(RECIPE)["network"]
