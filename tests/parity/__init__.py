"""The model against recorded outputs of the official one; see `python -m tests.parity --help`."""
