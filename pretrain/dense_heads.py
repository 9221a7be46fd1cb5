"""Dense targets for the image encoder: every patch says what it belongs to and where that thing's centre is.

A decoder trained from scratch on four numbers an episode gets almost no gradient about *where* things are;
hundreds of labels an image do (docs/nano.md). UIO-2's own ViT comes pre-trained; this is how ours
learns to see. The labels come from the boxes a dataset stores with each frame, so no simulator is needed. The
heads live with the training state and do not ship.

Unusual: the centre is scored against the location rows of the text table, the same rows the decoder answers
with, so that features already speak the language of the answer. And when the whole model learns, each patch
that leaves the *encoder* says whether the next step picks its object, or places onto it: which object is
meant is one bit of an action, but a label on every patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from policies.embodiments.base import NO_ROLE
from pretrain.losses import bump_table
from uio2_agent.inputs.batch import Batch
from uio2_agent.model import Encoded
from uio2_agent.text.vocabulary import LOCATIONS
from uio2_agent.unified_io2 import UnifiedIO2

NOTHING = NO_ROLE  # what cross_entropy ignores


@dataclass(frozen=True)
class Labels:
    """Per patch of the image: name, texture int64 [B, N]; x and y bins of the object's centre int64 [B, N,
    2]; match int64 [B, N], the history frame that shows the object, counted from 1, or 0 for none of them.

    Per patch of the history frames: name, texture int64 [B, F, M]. -100 where nothing is known.
    """

    name: Tensor
    texture: Tensor
    centre: Tensor
    role: Tensor
    history_name: Tensor
    history_texture: Tensor

    def to(self, device: torch.device | str) -> "Labels":
        """Return a copy on the device."""
        return Labels(**{key: value.to(device) for key, value in vars(self).items()})


class DenseHeads(nn.Module):
    """The training-only heads on the image encoder's last features."""

    def __init__(self, model: UnifiedIO2, names: Sequence[str], textures: Sequence[str], sigma: float):
        super().__init__()
        width, out = model.config.image_encoder.width, model.config.width
        self.names = {name: index for index, name in enumerate(names)}
        self.textures = {name: index for index, name in enumerate(textures)}
        self.name = nn.Linear(width, max(1, len(names)))
        self.texture = nn.Linear(width, max(1, len(textures)))
        self.centre = nn.Linear(width, 2 * out)
        self.role = nn.Linear(out, 3)
        self._kernel = bump_table(sigma)

    def forward(self, model: UnifiedIO2, features: "Features", labels: Labels) -> dict[str, Tensor]:
        """Return the mean losses over labelled patches: name, texture, centre."""
        last, mask = features.image
        known = mask & (labels.name != NOTHING)
        seen, names, textures = last[known], labels.name[known], labels.texture[known]  # [n, width], [n], [n]
        centre = self._centre(model, seen, labels.centre[known])
        if features.history is not None:
            last, mask = features.history  # [present frames, N, width]
            # one row per present frame, as the history embedder ran them
            name, texture = labels.history_name[features.present], labels.history_texture[features.present]
            known = mask & (name != NOTHING)
            seen = torch.cat([seen, last[known]])
            names, textures = torch.cat([names, name[known]]), torch.cat([textures, texture[known]])
        if len(seen) == 0:  # of these scenes nobody told the objects
            return dict.fromkeys(("name", "texture", "centre"), last.new_zeros(()))
        return {
            "name": F.cross_entropy(self.name(seen).float(), names),
            "texture": F.cross_entropy(self.texture(seen).float(), textures),
            "centre": centre,
        }

    def role_loss(self, encoded: Encoded, batch: Batch, labels: Labels) -> Tensor:
        """Mean loss of the image patches' role, read from the encoder's output."""
        first = batch.text.tokens.shape[1]  # the image follows the text
        patches = encoded.spread()[:, first : first + labels.role.shape[1]]  # [B, N, D]
        known = batch.image.mask & (labels.role != NOTHING)
        if not known.any():
            return patches.new_zeros(())
        return F.cross_entropy(self.role(patches[known]).float(), labels.role[known])

    def _centre(self, model: UnifiedIO2, seen: Tensor, bins: Tensor) -> Tensor:
        if len(seen) == 0:
            return seen.new_zeros(())
        first = model.processor.tokenizer.vocabulary.pieces
        table = model.text_table.weight[first : first + LOCATIONS].flip(0)  # row b is bin b
        hidden = self.centre(seen).unflatten(-1, (2, -1)) * table.shape[1] ** -0.5  # [n, 2, D]
        total = (hidden @ table.T).float().logsumexp(-1)  # [n, 2]
        # A mean of scores is the score of a mean: one row for each bin that occurs, not for each patch.
        found, which = bins.unique(return_inverse=True)
        means = self._kernel.to(seen.device)[found] @ table.float()  # [bins, D]
        wanted = (hidden.float() * means[which]).sum(-1)
        return (total - wanted).mean()


@dataclass
class Features:
    """What the image encoder said: (last features, mask) of the image and of the present history frames."""

    image: tuple[Tensor, Tensor]
    history: tuple[Tensor, Tensor] | None
    present: Tensor | None


class Watch:
    """Listens to a model's image encoder, so that the dense losses reuse the features of the same forward
    pass.
    """

    def __init__(self, model: UnifiedIO2):
        self._seen: list[tuple[Tensor, Tensor]] = []
        model.image_encoder.register_forward_hook(self._hear)

    def _hear(self, module: nn.Module, inputs: tuple, outputs: tuple) -> None:
        if torch.is_grad_enabled():
            self._seen.append((outputs[0], inputs[1]))

    def take(self, batch: Batch) -> Features | None:
        """Return and forget what was heard since the last call: the image first, then the history.

        None if nothing was, because the image encoder ran without gradients.
        """
        seen, self._seen = self._seen, []
        if not seen:
            return None
        if (history := batch.image_history) is None:
            return Features(seen[0], None, None)
        features, mask = seen[1]
        _, which = history.frames()
        if which is not None:
            features, mask = features.index_select(0, which), mask.index_select(0, which)
        return Features(seen[0], (features, mask), history.mask.any(-1))


def look(model: UnifiedIO2, batch: Batch) -> None:
    """Run the image encoder alone over a batch's pictures (for `Watch`), as the embedders would."""
    image = batch.image
    model.image_encoder(image.values, image.mask, image.positions, model.config.image_grid)
    if (history := batch.image_history) is not None:
        shown = history.distinct()
        model.image_encoder(shown.values, shown.mask, shown.positions, model.config.history_grid)


def image_labels(boxes: np.ndarray, positions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Say which object each patch belongs to: int64 [N], the index of the box that covers most of it, or -1.

    boxes float [objects, 4] are y0 x0 y1 x1 as fractions of the picture (nan when unseen); positions [N] are
    raster indices on the grid (rows, columns). Of boxes that cover a patch alike, the one with the nearest
    centre wins.
    """
    rows, columns = grid
    row, column = np.divmod(positions, columns)
    low = np.stack([row / rows, column / columns], -1)[:, None]  # [N, 1, 2]
    high = low + (1 / rows, 1 / columns)
    start, end = boxes[None, :, :2], boxes[None, :, 2:]  # [1, objects, 2]
    covered = np.clip(np.minimum(high, end) - np.maximum(low, start), 0, None).prod(-1) * rows * columns
    covered = np.nan_to_num(covered)  # [N, objects]
    distance = np.nan_to_num(np.linalg.norm((low + high - start - end) / 2, axis=-1), nan=9.0)
    best = np.argmax(covered.round(1) - distance / 100, axis=-1)
    return np.where(covered.max(-1) > 0, best, -1)
