"""What image and audio targets share: a frozen tokenizer, its grid of codes, the shift."""

import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.config import FIRST_CODE, MASK_CODE, UnifiedIO2Config
from uio2_agent.inputs.batch import CodeTarget, TokenTarget
from uio2_agent.network.positions import rotary_2d
from uio2_agent.targets.embedder import TargetEmbedder
from uio2_agent.targets.memory import CodeMemory
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN


class CodeTargetEmbedder(TargetEmbedder):
    """Tokens of pictures, and the frozen tokenizer that makes them."""

    def __init__(self, config: UnifiedIO2Config, tokenizer: VQGAN | ViTVQGAN):
        super().__init__(config)
        self.config = config
        self.tokenizer = tokenizer.requires_grad_(False)
        self.memory: CodeMemory | None = None
        """Set by a training that meets the same pictures again; None tokenises each time."""

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the raster in which tokens are decoded."""
        return self.tokenizer.config.grid

    def rotary(self, device: torch.device) -> Tensor:
        """Return rows [codes of a picture, head_dim] of the tokenizer's grid."""
        return rotary_2d(*self.tokenizer.config.grid, self.head_dim, 1.0, device)

    def codes(self, values: Tensor) -> Tensor:
        """Return codes int64 [B, N], in the order in which they are decoded, of the values of a target."""
        raise NotImplementedError

    def decode(self, tokens: Tensor) -> Tensor:
        """Return the values of whole answers, tokens int64 [B, N]; unused tokens become the nearest codes."""
        raise NotImplementedError

    def codes_of(self, tokens: Tensor) -> Tensor:
        """Return the codes [B, N] that tokens stand for."""
        return (tokens - FIRST_CODE).clamp(0, self.tokenizer.config.codes - 1)

    def tokens(self, target: CodeTarget) -> TokenTarget:
        """Tokenise a target: each token is predicted from those before it."""
        with torch.no_grad():
            memory = self.memory
            codes = memory.codes(target.values, self.codes) if memory else self.codes(target.values)
        targets = codes + FIRST_CODE
        config = self.config
        inputs = shifted_right(
            targets, target.task_mask, config.mask_hidden_inputs, config.align_hidden_inputs
        )
        positions = torch.arange(targets.shape[1], device=targets.device).expand_as(targets)
        return TokenTarget(inputs, targets, target.loss_mask, positions, target.mask, target.task_mask)


def shifted_right(
    targets: Tensor, hidden: Tensor | None, mask_hidden: bool = False, align: bool = False
) -> Tensor:
    """Return the decoder inputs int64 [B, N] of target tokens [B, N]: the token before, 0 first.

    Arguments:
        hidden: bool [B, N], tokens hidden from the encoder; None for none.
        mask_hidden: hidden tokens are read as the mask token (released as `unk_mask_token`).
        align: rows with hidden tokens read the token they predict (`shift_back_input_token`).
    """
    if hidden is None:
        return F.pad(targets[:, :-1], (1, 0))
    read = targets.masked_fill(hidden, MASK_CODE) if mask_hidden else targets
    before = F.pad(read[:, :-1], (1, 0))
    return torch.where(hidden.any(1, keepdim=True), read, before) if align else before
