"""The text tokenizer and the vocabulary around it."""
