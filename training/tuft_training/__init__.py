"""Scenes with exact alpha, and the training of the demo checkpoint on them."""
