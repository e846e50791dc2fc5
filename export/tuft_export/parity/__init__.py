"""Comparing what two implementations of one network compute."""
