"""Decisions made in processes apart from the environments: one policy that serves many workers."""
