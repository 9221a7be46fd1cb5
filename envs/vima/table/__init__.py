"""The table and what happens on it: bodies, physics, tools, cameras, pictures."""
