"""Many photographs: folders of them, and the manifest by which a run is resumed."""
