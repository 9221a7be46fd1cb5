"""From requests and targets to tensors: the processor and what a batch holds."""
