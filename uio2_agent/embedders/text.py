"""Text input: a row of the text table per token, and 1-D rotary positions."""

import torch
from torch import Tensor, nn

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.embedders.tokens import Tokens
from uio2_agent.inputs.batch import TextInput
from uio2_agent.network.positions import rotary_1d


class TextEmbedder(nn.Module):
    """Embed input text. The table belongs to the model, which shares it with the text target."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.modality = nn.Parameter(torch.randn(config.width) * 0.02)
        self.length, self.head_dim = config.text_input_length, config.head_dim

    def forward(self, text: TextInput, table: Tensor) -> Tokens:
        """Embed tokens [B, L] with the table [V, D]."""
        rotary = rotary_1d(self.length, self.head_dim, table.device)
        embed = nn.functional.embedding(text.tokens, table) + self.modality
        return Tokens(embed, text.mask, rotary[text.positions])
