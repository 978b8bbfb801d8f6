"""`boltmod recipes`: the recipes that come with boltmod, and what one may say."""
