"""Image and audio history: each earlier frame becomes a few latents of a perceiver resampler.

Unusual: only frames that hold at least one valid patch run through the ViT and the resampler, and a picture
that several requests show runs once; absent frames become zeros under a False mask. With `freeze_vit` the
ViT's features carry no gradient here; the official code always cuts it.
"""

import torch
from torch import Tensor, nn

from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.embedders.tokens import Tokens
from uio2_agent.embedders.vit import ViT
from uio2_agent.inputs.batch import Patches
from uio2_agent.network.layers import MLP, Attention, RMSNorm, attention_bias, linear
from uio2_agent.network.positions import rotary_2d


class HistoryEmbedder(nn.Module):
    """Embed up to `max_frames` frames of patches. The ViT belongs to the model."""

    def __init__(
        self, config: UnifiedIO2Config, part: ResamplerConfig, vit: ViTConfig, grid: tuple[int, int]
    ):
        super().__init__()
        self.modality = nn.Parameter(torch.randn(config.width) * 0.02)
        self.pre_projection = linear(vit.width, part.width)
        self.resampler = Resampler(part)
        self.post_projection = linear(part.width, config.width)
        self.config, self.grid, self.head_dim = part, grid, config.head_dim
        self.frozen = config.freeze_vit

    def forward(self, patches: Patches, vit: ViT) -> Tokens:
        """Embed values [B, F, N, patch dim] as F * latents tokens."""
        batch, frames = patches.mask.shape[:2]
        present = patches.mask.any(-1)  # [B, F]
        shown, (_, which) = patches.distinct(), patches.frames()
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            last, _ = vit(shown.values, shown.mask, shown.positions, self.grid)
        context = self.pre_projection(last.to(self.pre_projection.weight.dtype))
        latents = self.post_projection(self.resampler(context, shown.mask)) + self.modality  # [n, K, D]
        if which is not None:
            latents = latents.index_select(0, which)  # [present, K, D]
        embed = latents.new_zeros(batch, frames, *latents.shape[1:])
        embed[present] = latents
        count = self.config.latents
        rotary = rotary_2d(self.config.max_frames, count, self.head_dim, 1.0, embed.device)[: frames * count]
        return Tokens(
            embed.flatten(1, 2), present.repeat_interleave(count, dim=1), rotary.expand(batch, -1, -1)
        )


class Resampler(nn.Module):
    """Learned latents that read the patches of a frame by cross-attention, without positions."""

    def __init__(self, config: ResamplerConfig):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(config.latents, config.width) * 0.02)
        self.context_norm = RMSNorm(config.width)
        self.layers = nn.ModuleList(ResamplerLayer(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width)

    def forward(self, context: Tensor, mask: Tensor) -> Tensor:
        """Read context [B, N, width] under mask bool [B, N]; gives [B, K, width]."""
        context, bias = self.context_norm(context), attention_bias(mask[:, None, None], context.dtype)
        latents = self.latents.to(context.dtype).expand(len(context), -1, -1)
        for layer in self.layers:
            latents = layer(latents, context, bias)
        return self.norm(latents)


class ResamplerLayer(nn.Module):
    """Cross-attention, then an MLP."""

    def __init__(self, config: ResamplerConfig):
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = Attention(
            config.width,
            config.heads,
            config.head_dim,
            qk_norm=config.qk_norm,
            scaled_cosine=config.scaled_cosine,
            clip_logit=config.clip_logit,
        )
        self.mlp_norm = RMSNorm(config.width)
        self.mlp = MLP(config.width, config.mlp_dim)

    def forward(self, latents: Tensor, context: Tensor, bias: Tensor | None) -> Tensor:
        keys, values = self.attention.keys_values(context, None)
        queries = self.attention.queries(self.attention_norm(latents), None)
        latents = latents + self.attention(queries, keys, values, bias)
        return latents + self.mlp(self.mlp_norm(latents))
