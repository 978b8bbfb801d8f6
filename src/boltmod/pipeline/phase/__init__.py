"""The kinds of phases a recipe may have, one a file: what it may say, and how it runs."""
