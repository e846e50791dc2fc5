"""From a file to pixels: bombs refused, EXIF orientation applied, colours managed to sRGB."""
