"""How good a model is: figures, pictures, the report."""
