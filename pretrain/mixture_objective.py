"""What UIO-2 minimises on its mixture: the mean over the tokens of each target modality, and their sum.

So a batch's pictures count as much as its text, whatever the number of their tokens (arXiv 2312.17172). Means
are over all batches of a step and all processes (`pretrain.step`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pretrain.mixture_batches import Portion
from uio2_agent.config import TARGET_MODALITIES
from uio2_agent.model import Network


class MixtureObjective(nn.Module):
    """The losses of a network on portions of a mixture, one for each modality it answers with.

    Arguments:
        weights: of the modalities in the total, 1 where none is given.
        z_loss: weight of the squared log-partition in every token's loss.
        half_precision: autocast to bfloat16.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, float],
        z_loss: float = 1e-4,
        half_precision: bool = False,
    ):
        super().__init__()
        self.network = network
        self.modalities = [name for name in TARGET_MODALITIES if name in network.config.target_modalities]
        self._weights = {name: weights.get(name, 1.0) for name in self.modalities}
        self._z_loss, self._half_precision = z_loss, half_precision

    def counts(self, portion: Portion) -> Tensor:
        """Return how many tokens count in the loss of each modality."""
        batch = portion.batch
        masks = {
            "text": None if batch.text_target is None else batch.text_target.mask,
            "image": None if batch.image_target is None else batch.image_target.loss_mask,
            "audio": None if batch.audio_target is None else batch.audio_target.loss_mask,
        }
        return torch.tensor(
            [0.0 if masks[name] is None else float(masks[name].sum()) for name in self.modalities]
        )

    def forward(self, portion: Portion, step: int, totals: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the portion's part of the total loss, and of each modality's mean over `totals` tokens."""
        own = self.counts(portion)
        with torch.autocast(self.network.device.type, torch.bfloat16, enabled=self._half_precision):
            output = self.network(portion.batch, z_loss=self._z_loss, rows=portion.rows)
        zero = torch.zeros((), device=self.network.device)
        losses, total = {}, zero
        for index, name in enumerate(self.modalities):
            loss = output.losses.get(name, zero) * (own[index] / totals[index].clamp(min=1)).item()
            losses[name] = loss
            total = total + self._weights[name] * loss
        return total + self._touch(), losses

    def _touch(self) -> Tensor:
        """Nothing, as a function of every weight outside the layers.

        So each has a gradient in every step, whatever modalities its examples have: processes exchange the
        same ones, and the optimizer counts the same steps for all.
        """
        inside = {
            id(p) for layers in (self.network.encoder, self.network.decoder) for p in layers.parameters()
        }
        own = (p for p in self.parameters() if p.requires_grad and id(p) not in inside)
        return sum(p.flatten()[0].float() for p in own) * 0.0
