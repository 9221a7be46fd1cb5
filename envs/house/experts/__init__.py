"""Solvers that know the whole house."""
