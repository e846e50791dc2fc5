"""Computes an exported graph in this process: split, tiled, its compiled form kept."""
