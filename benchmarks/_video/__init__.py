"""Modules of `video.py`."""
