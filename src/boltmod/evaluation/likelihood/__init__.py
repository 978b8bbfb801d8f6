"""A classical receiver as classifier: every class's likelihood, nothing told by a genie."""
