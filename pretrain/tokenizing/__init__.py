"""Training of the target tokenizers, which turn pictures and sounds into codes and back."""
