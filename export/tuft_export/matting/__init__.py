"""The matting stage: a small network that corrects alpha along edges."""
