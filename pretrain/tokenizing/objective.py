"""What a tokenizer minimises: how far its drawing is from the real, by pixels, by features, by a critic.

| tokenizer | pixels | features | critic | codes |
| --- | --- | --- | --- | --- |
| VQGAN (Esser et al. 2021) | absolute | 1 | 0.8 of the gradient that these send into the last layer | 1 |
| ViT-VQGAN (Yu et al. 2022) | 1 squared + 0.1 absolute | 0.1 | 0.1 | 1 |

The absolute distance is the likelihood of a Laplace distribution whose scale is fixed; ViT-VQGAN's own
predicts the scale of each pixel, which its decoder here has no output for. The critic joins after `start`
steps.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pretrain.tokenizing.discriminator import PatchDiscriminator, RandomFeatures, hinge
from pretrain.tokenizing.quantizing import Quantized, through
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN

_SQUARED, _ABSOLUTE, _FEATURES, _CRITIC = 1.0, 0.1, 0.1, 0.1
"""Weights of ViT-VQGAN."""
_SHARE, _MOST = 0.8, 1e4
"""Of VQGAN's critic."""


@dataclass(frozen=True)
class Drawn:
    """What a step drew [B, channels, H, W], padding included as it should be; its losses; the total."""

    total: Tensor
    losses: dict[str, Tensor]
    values: Tensor
    passed: Quantized


class TokenizerObjective:
    """Losses of a batch: real values [B, channels, H, W] in about [-1, 1], and bool [B, H, W] what counts."""

    def __init__(self, tokenizer: VQGAN | ViTVQGAN, critic: PatchDiscriminator, start: int):
        self.tokenizer, self.critic, self._start = tokenizer, critic, start
        self.features = RandomFeatures(3 if isinstance(tokenizer, VQGAN) else 1)

    def __call__(self, real: Tensor, inside: Tensor, step: int) -> Drawn:
        """Return the tokenizer's losses."""
        passed = through(self.tokenizer, real, learning=True)
        counts = inside[:, None]
        drawn = torch.where(counts, passed.decoded, real)  # padding is neither judged nor learned
        share = counts.float().mean().clamp(min=1e-6)
        absolute = F.l1_loss(drawn, real) / share
        losses = {"pixels": absolute, "codes": passed.loss, "features": self.features(real, drawn) / share}
        if isinstance(self.tokenizer, VQGAN):
            near = absolute + losses["features"]
        else:
            losses["pixels"] = F.mse_loss(drawn, real) / share
            near = _SQUARED * losses["pixels"] + _ABSOLUTE * absolute + _FEATURES * losses["features"]
        total = near + passed.loss
        if step >= self._start:
            losses["critic"] = -self.critic(drawn).mean()
            total = total + self._weight(near, losses["critic"]) * losses["critic"]
        return Drawn(total, losses, drawn, passed)

    def criticise(self, real: Tensor, drawn: Tensor) -> Tensor:
        """Return the critic's own loss."""
        return hinge(self.critic(real), self.critic(drawn.detach()))

    def _weight(self, near: Tensor, critic: Tensor) -> Tensor | float:
        if not isinstance(self.tokenizer, VQGAN):
            return _CRITIC
        last = self.tokenizer.decoder.conv_out.weight
        norms = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (near, critic)]
        return (_SHARE * norms[0] / (norms[1] + 1e-4)).clamp(max=_MOST).detach()
