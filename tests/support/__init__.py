"""Code shared by tests: images with known answers, oracles and test doubles."""
