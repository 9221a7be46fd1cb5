"""Image target: raster of VQGAN codes, 2-D rotary positions (spec 8.2)."""

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
