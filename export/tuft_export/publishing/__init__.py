"""Putting models into a Triton model repository, whole or not at all."""
