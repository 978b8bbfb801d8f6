"""Signals beside the 24 classes as RadioML has them: keyed tones, OFDM, chirps, voice, noise."""
