"""`boltmod classify`: what modulation a recording or stream holds."""
