"""Batches of photographs: folders, and the manifest with which a run is resumed."""
