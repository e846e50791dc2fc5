"""Publishing to a Triton model repository; each version appears complete or not at all."""
