"""Tests; the tree mirrors the packages. Checks of outside data are modules: python -m tests.parity DIR."""
