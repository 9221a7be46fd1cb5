"""Audio target: ViT-VQGAN codes, time first, 2-D rotary positions.

Unusual: tokens form a grid of 32 times by 16 mel bands, while rotary rows are those of the tokenizer's own
16 x 32 grid, read by the same flat position. The two disagree; the released weights were trained so.
"""

from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.targets.codes import CodeTargetEmbedder
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN


class AudioTargetEmbedder(CodeTargetEmbedder):
    """Audio tokens."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config, ViTVQGAN(config.audio_tokenizer))

    @property
    def grid(self) -> tuple[int, int]:
        rows, columns = super().grid
        return columns, rows

    def codes(self, values: Tensor) -> Tensor:
        """Return codes [B, N], time first, of normalised log-mel spectrograms [B, time, mel, 1]."""
        codes = self.tokenizer.encode(values[..., 0].transpose(1, 2))
        return codes.unflatten(1, self.tokenizer.config.grid).transpose(1, 2).flatten(1)

    def decode(self, tokens: Tensor) -> Tensor:
        """Return normalised log-mel spectrograms [B, time, mel]."""
        codes = self.codes_of(tokens).unflatten(1, self.grid).transpose(1, 2).flatten(1)
        return self.tokenizer.decode(codes).transpose(1, 2)
