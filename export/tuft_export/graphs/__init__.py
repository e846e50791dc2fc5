"""From a network to the graph that is served: exported, simplified, proven, in the precision asked for."""
