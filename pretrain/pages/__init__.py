"""The form of all pages, and the page of a training."""
