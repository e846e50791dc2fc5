"""Wraps SAM 2.1 in the wire contract: a picture to embeddings, embeddings and prompts to masks."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder

from tuft import contract

if TYPE_CHECKING:
    from transformers import Sam2Model


class ServedEncoder(nn.Module):
    """The part that sees the picture: normalisation, image encoder, and what the decoder would repeat for each prompt.

    Args:
        model: In evaluation mode.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.network = model
        mean, std = torch.tensor(contract.MEAN), torch.tensor(contract.STD)
        self.register_buffer("scale", (1 / (255 * std)).reshape(1, 3, 1, 1))
        self.register_buffer("shift", (-mean / std).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps uint8 [n, S, S, 3] to float16 embeddings, in the order of `contract.EMBEDDING_NAMES`."""
        x = image.to(torch.float32).permute(0, 3, 1, 2) * self.scale + self.shift
        finest, finer, embedding = self.network.get_image_embeddings(x)
        return embedding.half(), finer.half(), finest.half()


class _EveryMask(Sam2MaskDecoder):  # type: ignore[misc]  # transformers has no types here
    """A mask decoder that, asked for one mask, answers with the others behind it."""

    def _dynamic_multimask_via_stability(self, masks: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        one, score = super()._dynamic_multimask_via_stability(masks, scores)
        return torch.cat([one, masks[:, :, 1:]], dim=2), torch.cat([score, scores[:, :, 1:]], dim=2)


class ServedDecoder(nn.Module):
    """The part that answers a prompt.

    Args:
        model: In evaluation mode.
    """

    position: Tensor

    def __init__(self, model: Sam2Model) -> None:
        super().__init__()
        self.network = model
        self.decoder = copy.copy(model.mask_decoder)  # shares the weights
        self.decoder.__class__ = _EveryMask
        self.decoder.dynamic_multimask_via_stability = True  # as all checkpoints of SAM 2.1 have it
        self.register_buffer("position", model.get_image_wide_positional_embeddings().detach())

    def forward(
        self, embedding: Tensor, finer: Tensor, finest: Tensor, points: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Maps float16 embeddings, points float32 [n, p, 2] and labels int32 [n, p] to masks and their scores.

        Returns:
            Logits float32 [n, 4, h, w] and scores float32 [n, 4]: first the mask for a precise prompt, which gives way
            to the best of the others where it is unstable, then the three that a single click may mean.
        """
        sparse, dense = self.network.prompt_encoder(points[:, None], labels[:, None], None, None)
        masks, scores, *_ = self.decoder(
            image_embeddings=embedding.float(),
            image_positional_embeddings=self.position.expand(embedding.shape[0], -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            high_resolution_features=[finest.float(), finer.float()],
        )
        return masks[:, 0], scores[:, 0]
