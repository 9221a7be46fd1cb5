"""One module per target modality: decoder inputs and the tied head."""
