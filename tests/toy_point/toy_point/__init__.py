"""A point mass that goes to the disc of the colour named in the prompt."""

REACH = 0.25
"""Farthest a step goes; the field is 1 x 1."""
