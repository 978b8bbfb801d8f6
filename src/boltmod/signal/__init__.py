"""What a frame is: constellations, pulses, modulators, channel, noise, and the generator."""
