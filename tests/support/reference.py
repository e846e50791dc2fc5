"""The oracle: transparent-background's own network, of any shape, with our weights."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuft_export.inspyrenet import InSPyReNet

with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from transparent_background.backbones.SwinTransformer import SwinTransformer
    from transparent_background.InSPyReNet import InSPyReNet as ReferenceNetwork


def reference_network(ours: InSPyReNet, *, threshold: int | None = None, load: bool = True) -> Any:
    """The reference implementation with the weights of `ours`, in evaluation mode."""
    config = ours.config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone = SwinTransformer(
            embed_dim=config.backbone.embed_dim,
            depths=list(config.backbone.depths),
            num_heads=list(config.backbone.num_heads),
            window_size=config.backbone.window_size,
        )
        base_hw = [config.base_size, config.base_size]
        theirs = ReferenceNetwork(backbone, list(config.backbone.channels), config.depth, base_hw, threshold)
    if load:
        theirs.load_state_dict(ours.state_dict(), strict=True)
    theirs.eval()
    # Its eval() overrides nn.Module.eval() and leaves nn.Module.train() to Swin's own, which returns nothing.
    theirs.backbone.train(False)
    return theirs
