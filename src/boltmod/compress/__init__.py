"""Making a trained network cheaper: pruning, bit widths."""
