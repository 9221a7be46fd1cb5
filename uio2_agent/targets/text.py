"""Text target: rows of the shared text table in, the same table as head, 1-D rotary positions (spec 8.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.positions import rotary_1d


class TextTargetEmbedder(nn.Module):
    """Embed decoder inputs and score decoder outputs. The table belongs to the model."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.modality = nn.Parameter(torch.randn(config.width) * 0.02)
        self.length, self.head_dim = config.text_target_length, config.head_dim

    def embed(self, tokens: Tensor, positions: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings [B, T, D] and rotary rows [B, T, head_dim] of tokens and positions [B, T]."""
        rotary = rotary_1d(self.length, self.head_dim, table.device)
        return F.embedding(tokens, table) + self.modality, rotary[positions]

    def logits(self, hidden: Tensor, table: Tensor) -> Tensor:
        """Score hidden states [..., D] against the table [V, D], divided by sqrt(D)."""
        return F.linear(hidden, table) * hidden.shape[-1] ** -0.5
