"""Comparison of our Habitat backends with what the real habitat-sim answered."""
