"""From a network to the served graph: export, simplification, precision and parity checks."""
