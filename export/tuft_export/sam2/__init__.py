"""SAM 2.1, the network that takes prompts, exported as two graphs: an encoder of pictures and a decoder of prompts.

The network is that of `transformers` (Apache-2.0), and so is the format of its weights. `weights` has the published
checkpoints by name, `exportable` wraps the network in the wire contract, `graphs` exports it, `parity` proves both
graphs against the network, `publish` puts them into a model repository.
"""

from __future__ import annotations
