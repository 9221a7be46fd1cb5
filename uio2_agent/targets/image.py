"""Image target: raster of VQGAN codes, 2-D rotary positions (spec 8.2)."""

import torch
from torch import Tensor

from uio2_agent.batch import CodeTarget, TokenTarget
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.positions import rotary_2d
from uio2_agent.targets.codes import code_target
from uio2_agent.targets.embedder import TargetEmbedder
from uio2_agent.tokenizers.vqgan import VQGAN


class ImageTargetEmbedder(TargetEmbedder):
    """Image tokens, and the frozen tokenizer that makes them."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config)
        self.tokenizer = VQGAN(config.image_tokenizer).requires_grad_(False)

    def rotary(self, device: torch.device) -> Tensor:
        """Return rows [rows * columns of codes, head_dim]."""
        return rotary_2d(*self.tokenizer.config.grid, self.head_dim, 1.0, device)

    def tokens(self, target: CodeTarget) -> TokenTarget:
        """Tokenise images [B, H, W, 3] in [-1, 1]."""
        with torch.no_grad():
            codes = self.tokenizer.encode(target.values.permute(0, 3, 1, 2))
        return code_target(codes, target)
