"""Image target: raster of VQGAN codes, 2-D rotary positions."""

from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.targets.codes import CodeTargetEmbedder
from uio2_agent.tokenizers.vqgan import VQGAN


class ImageTargetEmbedder(CodeTargetEmbedder):
    """Image tokens."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config, VQGAN(config.image_tokenizer))

    def codes(self, values: Tensor) -> Tensor:
        """Return codes [B, N] of images [B, H, W, 3] in [-1, 1]."""
        return self.tokenizer.encode(values.permute(0, 3, 1, 2))

    def decode(self, tokens: Tensor) -> Tensor:
        """Return images [B, H, W, 3] in [0, 1]."""
        images = self.tokenizer.decode(self.codes_of(tokens)).permute(0, 2, 3, 1)
        return ((images + 1) / 2).clamp(0, 1)
