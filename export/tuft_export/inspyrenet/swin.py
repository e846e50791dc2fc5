"""The Swin transformer backbone: attention in windows, every second block shifted by half a window."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuft_export.architecture import SwinConfig

# Added to the logits of token pairs that must not see each other, as in the published implementation.
_MASKED = -100.0


def relative_position_index(window_size: int) -> Tensor:
    """For each pair of tokens in a window, the row of the bias table of their offset: int64 [N, N]."""
    yx = torch.stack(torch.meshgrid(torch.arange(window_size), torch.arange(window_size), indexing="ij"))
    offset = yx.flatten(1)[:, :, None] - yx.flatten(1)[:, None, :] + window_size - 1
    return offset[0] * (2 * window_size - 1) + offset[1]


def shift_masks(window_size: int) -> Tensor:
    """The masks of shifted windows: float32 [2, 2, N, N], indexed by (in the last row?, in the last column?).

    After the cyclic shift only the last row and column of windows hold tokens from opposite borders, so four
    small masks serve any picture size. The first, of all other windows, is zero.
    """
    border = torch.arange(window_size) >= window_size - window_size // 2
    nowhere = torch.zeros_like(border)
    masks = []
    for rows in (nowhere, border):
        for columns in (nowhere, border):
            region = (2 * rows[:, None].int() + columns[None, :].int()).flatten()
            masks.append((region[:, None] != region[None, :]).float() * _MASKED)
    return torch.stack(masks).reshape(2, 2, window_size**2, window_size**2)


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for each relative position."""

    relative_position_index: Tensor

    def __init__(self, dim: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        self.channels = dim
        self.num_heads = num_heads
        self.tokens = window_size**2
        self.scale = (dim // num_heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window_size))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of tokens [..., C], each of that shape, for `forward`.

        Zeros in their place are the tokens that the published implementation pads pictures with. It projects these
        too, into the biases; but a bias of all keys moves all logits of a query alike, which the softmax does not
        see, and one of all values moves every mean of them by itself: `merge` adds it.
        """
        query, key, value = torch.split(self.qkv.weight, self.channels)
        # Scaled here: the weights are fewer than the queries.
        query_bias = self.qkv.bias[: self.channels] * self.scale
        return F.linear(x, query * self.scale, query_bias), F.linear(x, key), F.linear(x, value)

    def merge(self, attended: Tensor) -> Tensor:
        """Projects the result of `forward` token by token: [..., C] to the same shape."""
        value_bias = self.qkv.bias[2 * self.channels :]
        return F.linear(attended, self.proj.weight, self.proj.bias + torch.mv(self.proj.weight, value_bias))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, masks: Tensor | None = None) -> Tensor:
        """Attention in each window of a picture.

        Args:
            query: [n, rows, columns, N, C], N tokens in each of rows · columns windows.
            key: The same shape.
            value: The same shape.
            masks: [2, 2, N, N] as of `shift_masks`, for shifted windows.

        Returns:
            The same shape: means of the values.
        """
        bias = self._bias()
        if masks is None:
            return self._attended(query, key, value, bias)
        # The four kinds of shifted windows one after the other, each with its own constant of bias and mask. A mask
        # laid out over the grid of windows would be as large as the logits, could not be broadcast over the batch,
        # and would keep TensorRT from fusing the attention.
        rows = []
        for i, row in _kinds((query, key, value), axis=1):
            parts = [self._attended(*part, bias + masks[i, j]) for j, part in _kinds(row, axis=2)]
            rows.append(torch.cat(parts, dim=2))
        return torch.cat(rows, dim=1)

    def _attended(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """As `forward`; `bias` is [1, heads, N, N]."""
        n, heads = self.tokens, self.num_heads
        rows, columns, channels = query.shape[1], query.shape[2], query.shape[-1]
        head_channels = channels // heads
        query, key, value = (part.reshape(-1, n, heads, head_channels) for part in (query, key, value))
        # Each operand is laid out before heads and windows are merged: OpenVINO takes the merging apart again, and
        # trips over anything that stands between it and the product.
        query = query.transpose(1, 2).reshape(-1, n, head_channels)
        key = key.permute(0, 2, 3, 1).reshape(-1, head_channels, n)
        value = value.transpose(1, 2).reshape(-1, n, head_channels)
        logits = torch.bmm(query, key).reshape(-1, heads, n, n) + bias
        attention = torch.softmax(logits, dim=-1).reshape(-1, n, n)
        attended = torch.bmm(attention, value).reshape(-1, heads, n, head_channels).transpose(1, 2)
        return attended.reshape(-1, rows, columns, n, channels)

    def _bias(self) -> Tensor:
        """The bias of each head and pair of tokens: [1, heads, N, N]."""
        rows = self.relative_position_bias_table.index_select(0, self.relative_position_index.flatten())
        return rows.reshape(self.tokens, self.tokens, self.num_heads).permute(2, 0, 1).unsqueeze(0)


def _kinds(parts: tuple[Tensor, Tensor, Tensor], axis: int) -> list[tuple[int, tuple[Tensor, Tensor, Tensor]]]:
    """Along `axis`, all but the last entry as number 0, where there are such, and the last one as number 1."""
    length = parts[0].shape[axis]
    spans = [(0, 0, length - 1), (1, length - 1, 1)]
    first, second, third = parts
    return [
        (kind, (first.narrow(axis, begin, n), second.narrow(axis, begin, n), third.narrow(axis, begin, n)))
        for kind, begin, n in spans
        if n
    ]


class Mlp(nn.Module):
    """Two linear layers with a GELU between, four times as wide inside."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [..., dim] to the same shape."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class SwinBlock(nn.Module):
    """Windowed attention and an MLP, each with its LayerNorm and shortcut."""

    def __init__(self, dim: int, num_heads: int, window_size: int, shift: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, window_size)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, masks: Tensor) -> Tensor:
        """Maps [n, H, W, C] to the same shape."""
        x = x + self._attend(self.norm1(x), masks)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, masks: Tensor) -> Tensor:
        """Attention window by window; only the picture's own tokens are projected."""
        query, key, value = (self._windows(part) for part in self.attn.project(x))
        attended = self.attn(query, key, value, masks if self.shift else None)
        return self.attn.merge(self._picture(attended, (x.shape[1], x.shape[2])))

    def _windows(self, x: Tensor) -> Tensor:
        """Pads [n, H, W, C] to whole windows, shifts, and cuts it into them: [n, rows, columns, N, C]."""
        height, width, channels = x.shape[1:]
        w = self.window_size
        pad_h, pad_w = -height % w, -width % w
        rows, columns = (height + pad_h) // w, (width + pad_w) // w
        if pad_h or pad_w:
            x = F.pad(x, (0, 0, 0, pad_w, 0, pad_h))
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        windows = x.reshape(-1, rows, w, columns, w, channels).transpose(2, 3)
        return windows.reshape(-1, rows, columns, w * w, channels)

    def _picture(self, windows: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """Undoes `_windows`: [n, H, W, C]."""
        rows, columns, _, channels = windows.shape[1:]
        w = self.window_size
        x = windows.reshape(-1, rows, columns, w, w, channels).transpose(2, 3)
        x = x.reshape(-1, rows * w, columns * w, channels)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), dims=(1, 2))
        return x[:, : size_hw[0], : size_hw[1]]


class PatchMerging(nn.Module):
    """Halves the resolution: the four neighbours side by side, normalised, reduced to twice the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, H, W, C] to [n, ⌈H/2⌉, ⌈W/2⌉, 2C]; odd sides are padded with zeros."""
        height, width = x.shape[1:3]
        if height % 2 or width % 2:
            x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        quarters = [x[:, dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)]
        return self.reduction(self.norm(torch.cat(quarters, dim=-1)))  # type: ignore[no-any-return]


class SwinStage(nn.Module):
    """The blocks of one resolution, and the way down to the next."""

    def __init__(self, dim: int, depth: int, num_heads: int, window_size: int, *, last: bool) -> None:
        super().__init__()
        self.window_size = window_size
        self.blocks = nn.ModuleList(
            SwinBlock(dim, num_heads, window_size, shift=window_size // 2 if i % 2 else 0) for i in range(depth)
        )
        self.downsample = None if last else PatchMerging(dim)

    def forward(self, x: Tensor, shift_masks: Tensor) -> Tensor:
        """Maps [n, H, W, C] to the same shape."""
        for block in self.blocks:
            x = block(x, shift_masks)
        return x


class PatchEmbed(nn.Module):
    """Patches of 4×4 pixels to tokens."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=4, stride=4)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Maps [n, 3, H, W] to [n, H/4, W/4, C]."""
        return self.norm(self.proj(image).permute(0, 2, 3, 1))  # type: ignore[no-any-return]


class SwinTransformer(nn.Module):
    """Five feature maps: the patches themselves, then the four stages."""

    masks: Tensor

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        dims = config.channels[1:]
        self.patch_embed = PatchEmbed(config.embed_dim)
        self.layers = nn.ModuleList(
            SwinStage(dim, depth, heads, config.window_size, last=dim == dims[-1])
            for dim, depth, heads in zip(dims, config.depths, config.num_heads, strict=True)
        )
        # Not persistent: the published checkpoints do not hold them.
        self.register_buffer("masks", shift_masks(config.window_size), persistent=False)
        for i, dim in enumerate(dims):
            self.add_module(f"norm{i}", nn.LayerNorm(dim))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps [n, 3, H, W] to features [n, C, H/s, W/s] at strides s = 4, 4, 8, 16, 32."""
        x = self.patch_embed(image)
        features = [_channels_first(x)]
        for i, stage in enumerate(self.layers):
            x = stage(x, self.masks)
            features.append(_channels_first(getattr(self, f"norm{i}")(x)))
            if isinstance(stage.downsample, PatchMerging):
                x = stage.downsample(x)
        return features


def _channels_first(x: Tensor) -> Tensor:
    # Contiguous, because later stages read NCHW memory as it lies.
    return x.permute(0, 3, 1, 2).contiguous()
