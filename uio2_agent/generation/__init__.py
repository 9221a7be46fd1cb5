"""From an encoded request to an answer: the decode loop, its caches, and the ways to choose a token."""
