"""Frames to train on: drawn from the generator, or read from a RadioML file.

All kinds are addressed by (epoch, step) alone, so that an interrupted training goes on with the
very frames it would have seen.
"""
