"""Running policies in environments: the episode loop, datasets, evaluation, pages, and the `uio2` command."""
