"""The recipe that a search changes: of two layers, trained in a second."""

SPACE = """
name = "small"
seed = 3
[base]
name = "small"
[base.network]
name = "boltnet"
pool = 8
stem_channels = 4
stem_kernel_size = 3
channels = [4, 8]
kernel_sizes = [3, 3]
strides = [1, 1]
max_pools = ["before", "before"]
features = "max"
[base.data]
frames_per_epoch = 256
validation_frames = 48
[[base.phases]]
name = "float"
kind = "train"
quantised = false
epochs = 1
batch_size = 128
[[base.phases]]
name = "prune"
kind = "prune"
epochs = 1
fraction = 0.5
rounds = 2
batch_size = 128
"""
