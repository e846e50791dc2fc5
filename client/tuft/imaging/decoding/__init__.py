"""Decoding: rejects decompression bombs, applies the EXIF orientation and converts colours to sRGB."""
