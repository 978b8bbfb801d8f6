"""Submissions to the challenge: packing them, and checking anybody's against the rules."""
