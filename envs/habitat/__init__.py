"""Habitat's navigation tasks."""
