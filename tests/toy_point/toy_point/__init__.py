"""A point mass that goes to the disc of the colour named in the prompt."""

LEVELS = {"three": ("L1",), "one": ()}
"""Discs of three colours, or a single one; with other names."""
REACH = 0.25
"""Farthest a step goes; the field is 1 x 1."""
