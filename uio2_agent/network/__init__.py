"""The layers of the encoder-decoder: attention, masks, positions, batches of uneven requests."""
