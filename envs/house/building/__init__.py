"""From house files to scenes, and from scenes to what others open: MuJoCo models, MJCF, GLB."""
