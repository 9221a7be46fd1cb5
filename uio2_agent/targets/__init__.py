"""One module per target modality: decoder inputs and the tied head (spec sections 7 and 8)."""
