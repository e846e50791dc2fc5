"""The parts of scenes: outlines, textures, bodies, strands, backgrounds and the camera."""
