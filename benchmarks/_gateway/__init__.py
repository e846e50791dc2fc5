"""Parts of `gateway.py`."""
