"""Training examples of every kind of source: a record and a random generator in, a `Sample` out."""
