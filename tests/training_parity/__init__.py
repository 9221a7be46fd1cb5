"""Training, data and packing against recorded outputs of the official code; see `python -m
tests.training_parity --help`.
"""
