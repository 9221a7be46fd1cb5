"""Trajectory datasets: written, encoded, joined."""
