"""One module per family of recorded files; each has `CHECKS`, a check by the stem of the file."""
