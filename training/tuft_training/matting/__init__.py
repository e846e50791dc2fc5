"""The training of the matting stage: pictures of strands and leaves, coarse mattes for them, patches, losses."""
