"""Video: every frame cut out, steady, with its times and its sound. `tuft.video` is the public way to it."""
