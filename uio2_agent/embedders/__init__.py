"""One module per input modality: its part of a batch becomes tokens, a mask and rotary rows."""
