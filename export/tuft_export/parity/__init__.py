"""Comparison of two implementations of one network."""
