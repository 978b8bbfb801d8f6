"""The C compiler of this machine, and what tests need it."""

import shutil

import pytest

CC = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler")
