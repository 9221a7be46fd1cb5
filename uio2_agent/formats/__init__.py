"""Model directories on disk: ours and the official one, each read and written."""
