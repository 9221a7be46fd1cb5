"""What can lie on the table: objects, their geometry, their textures."""
