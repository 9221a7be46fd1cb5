"""The two tools, by the numbers that observations, info and tasks call them."""

SUCTION, SPATULA = 0, 1
FIRST_ID = {SUCTION: 5, SPATULA: 4}
"""Segmentation id of the first object on the table: VIMA-Bench counts the tool's own bodies before it."""
