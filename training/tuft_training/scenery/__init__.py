"""What scenes are made of: outlines, textures, bodies, strands, backgrounds and the camera."""
