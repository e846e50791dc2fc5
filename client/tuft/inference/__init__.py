"""One request to a model: an onion of runners, each of which adds one concern."""
