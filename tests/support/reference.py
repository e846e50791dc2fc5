"""The oracle: transparent-background's own network, of any shape, with our weights."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from typing import TYPE_CHECKING, Any

from tuft_export.architecture import SwinConfig

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
        backbone = _backbone(ours)
        base_hw = [config.base_size, config.base_size]
        theirs = ReferenceNetwork(backbone, list(config.backbone.channels), config.depth, base_hw, threshold)
    if load:
        theirs.load_state_dict(ours.state_dict(), strict=True)
    theirs.eval()
    # Its eval() overrides nn.Module.eval() and leaves nn.Module.train() to Swin's own, which returns nothing.
    theirs.backbone.train(False)
    return theirs


def in_float64(theirs: Any) -> Any:
    """The network in double precision, in which equivalent networks agree to more digits than float32 has."""
    theirs.double()
    # Kernels are plain tensors, which double() does not convert.
    for part in (theirs.image_pyramid, theirs.transition0, theirs.transition1, theirs.transition2):
        part.kernel = part.kernel.double()
    return theirs


def _backbone(ours: InSPyReNet) -> Any:
    """The reference's Swin; for a backbone that the reference does not have, a copy of ours."""
    config = ours.config.backbone
    if not isinstance(config, SwinConfig):
        return copy.deepcopy(ours.backbone)
    return SwinTransformer(
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.num_heads),
        window_size=config.window_size,
    )
