"""What bodies can do and how the model speaks of it."""
