"""The critics of what a tokenizer draws: one that learns to tell it from the real, and one that never learns.

Source: the patch discriminator of pix2pix (Isola et al. 2017) with the hinge loss, as in VQGAN (Esser et al.
2021). The perceptual distance there needs a downloaded network; here its features are those of random filters
in layers, which tell edges, colours and textures apart well enough to judge by (He et al., A Powerful
Generative Model Using Random Weights for the Deep Image Representation, 2016).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_GROUPS = 8


class PatchDiscriminator(nn.Module):
    """Tells of each region, about 34 pixels a side, how real it looks."""

    def __init__(self, channels: int, width: int = 32, layers: int = 2):
        super().__init__()
        widths = [width * 2**layer for layer in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for layer, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if layer < layers - 1 else 1
            parts += [
                nn.Conv2d(before, after, 4, stride, 1, bias=False),
                nn.GroupNorm(_GROUPS, after),
                nn.LeakyReLU(0.2),
            ]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, values: Tensor) -> Tensor:
        """Return [B, 1, h, w] of values [B, channels, H, W]; 0 is undecided."""
        return self.layers(values)


def hinge(real: Tensor, drawn: Tensor) -> Tensor:
    """The discriminator's loss: 0 where the real scores above 1 and the drawn below -1."""
    return (F.relu(1 - real).mean() + F.relu(1 + drawn).mean()) / 2


class RandomFeatures(nn.Module):
    """The distance of two pictures in the features of fixed random filters, the same in every run."""

    def __init__(self, channels: int, widths: tuple[int, ...] = (32, 64, 64)):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        layers = []
        for before, after in pairwise((channels, *widths)):
            layer = nn.Conv2d(before, after, 3, stride=2 if layers else 1, padding=1)
            flat = torch.randn(after, before * 9, generator=generator)
            with torch.no_grad():
                layer.weight.copy_(F.normalize(flat, dim=1).view_as(layer.weight) * 2**0.5)
                layer.bias.zero_()
            layers.append(layer)
        self.layers = nn.ModuleList(layers).requires_grad_(False)

    def forward(self, real: Tensor, drawn: Tensor) -> Tensor:
        """Return the mean squared distance of unit features, summed over the layers, a scalar."""
        total = real.new_zeros(())
        for layer in self.layers:
            real, drawn = F.relu(layer(real)), F.relu(layer(drawn))
            total = total + (F.normalize(real, dim=1) - F.normalize(drawn, dim=1)).square().sum(1).mean()
        return total
