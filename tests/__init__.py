"""Tests; the tree mirrors the packages. Checks that take data from outside are modules: `python -m tests.parity DIR`."""
