"""Text target: 1-D rotary positions."""

import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.network.positions import rotary_1d
from uio2_agent.targets.embedder import TargetEmbedder


class TextTargetEmbedder(TargetEmbedder):
    """Text tokens."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config)
        self.length = config.text_target_length

    def rotary(self, device: torch.device) -> Tensor:
        """Return rows [text_target_length, head_dim]."""
        return rotary_1d(self.length, self.head_dim, device)
