"""`python -m boltmod`."""

from boltmod.cli.app import main

main()
