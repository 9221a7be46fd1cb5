"""Navigation meshes of scenes made of boxes, as habitat-sim's path finder has them."""
