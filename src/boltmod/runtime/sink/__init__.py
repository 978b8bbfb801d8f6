"""Where labels go: text, CSV, JSON lines, SigMF annotations."""
