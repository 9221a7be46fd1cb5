"""Audio target: ViT-VQGAN codes, time first, 2-D rotary positions (spec 8.3).

Unusual: tokens form a grid of 32 times by 16 mel bands, while rotary rows are those of the tokenizer's own
16 x 32 grid, read by the same flat position. The two disagree; the released weights were trained so.
"""

import torch
from torch import Tensor

from uio2_agent.batch import CodeTarget, TokenTarget
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.positions import rotary_2d
from uio2_agent.targets.codes import code_target
from uio2_agent.targets.embedder import TargetEmbedder
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN


class AudioTargetEmbedder(TargetEmbedder):
    """Audio tokens, and the frozen tokenizer that makes them."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config)
        self.tokenizer = ViTVQGAN(config.audio_tokenizer).requires_grad_(False)

    def rotary(self, device: torch.device) -> Tensor:
        """Return rows [bands * times of codes, head_dim]."""
        return rotary_2d(*self.tokenizer.config.grid, self.head_dim, 1.0, device)

    def tokens(self, target: CodeTarget) -> TokenTarget:
        """Tokenise normalised log-mel spectrograms [B, time, mel, 1]."""
        with torch.no_grad():
            codes = self.tokenizer.encode(target.values[..., 0].transpose(1, 2))
        times_first = codes.unflatten(1, self.tokenizer.config.grid).transpose(1, 2).flatten(1)
        return code_target(times_first, target)
