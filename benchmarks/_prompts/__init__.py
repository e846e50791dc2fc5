"""Modules of `prompts.py`."""
