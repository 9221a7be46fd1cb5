"""The parts of `uio2 improve`: its settings, its stages, and the record that says which are done."""
