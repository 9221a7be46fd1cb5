"""What all target modalities share: embedding of decoder inputs, and the tied head."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.config import UnifiedIO2Config


class TargetEmbedder(nn.Module):
    """Embed decoder inputs and score decoder outputs. The table of tokens belongs to the model."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.modality = nn.Parameter(torch.randn(config.width) * 0.02)
        self.head_dim = config.head_dim

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns in which the tokens lie; None for a line of text."""
        return None

    def rotary(self, device: torch.device) -> Tensor:
        """Return the rotary rows [most tokens, head_dim] of the modality."""
        raise NotImplementedError

    def embed(self, tokens: Tensor, positions: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings [B, T, D] and rotary rows [B, T, head_dim] of tokens and positions [B, T]."""
        return F.embedding(tokens, table) + self.modality, self.rotary(table.device)[positions]

    def logits(self, hidden: Tensor, table: Tensor) -> Tensor:
        """Score hidden states [..., D] against the table [V, D], divided by sqrt(D)."""
        return F.linear(hidden, table) * hidden.shape[-1] ** -0.5
