"""Small data sets of every kind, made by code from a seed, so that a whole mixture runs anywhere."""
