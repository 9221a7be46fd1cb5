"""Image and audio input: ViT features of the last and the second block, projected.

One class serves both, because they differ only in the ViT underneath and the grid of their patches.
"""

import torch
from torch import nn

from uio2_agent.config import UnifiedIO2Config, ViTConfig
from uio2_agent.embedders.tokens import Tokens
from uio2_agent.embedders.vit import ViT
from uio2_agent.inputs.batch import Patches
from uio2_agent.network.layers import linear
from uio2_agent.network.positions import rotary_2d


class PatchEmbedder(nn.Module):
    """Embed the patches of one image or one spectrogram. The ViT belongs to the model."""

    def __init__(self, config: UnifiedIO2Config, vit: ViTConfig, grid: tuple[int, int]):
        super().__init__()
        self.modality = nn.Parameter(torch.randn(config.width) * 0.02)
        self.projection = linear(2 * vit.width, config.width)
        self.grid, self.scale, self.head_dim = grid, config.grid_scale, config.head_dim
        self.frozen = config.freeze_vit

    def forward(self, patches: Patches, vit: ViT) -> Tokens:
        """Embed values [B, N, patch dim]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            last, second = vit(patches.values, patches.mask, patches.positions, self.grid)
        features = torch.cat([last, second], dim=-1).to(self.projection.weight.dtype)
        rotary = rotary_2d(*self.grid, self.head_dim, self.scale, features.device)
        return Tokens(self.projection(features) + self.modality, patches.mask, rotary[patches.positions])
