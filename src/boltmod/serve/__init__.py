"""A live page: the waterfall of a source with a box and a label for each signal."""
