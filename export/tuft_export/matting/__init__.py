"""The matting stage: a small network that corrects alpha along edges, at the photograph's own resolution."""
