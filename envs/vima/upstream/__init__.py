"""An installed VIMA-Bench behind the interface of our tabletop."""
