"""The commands of `uio2`, one file for each."""
