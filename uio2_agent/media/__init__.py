"""Pictures, videos and sounds: read, resized, cut into patches."""
