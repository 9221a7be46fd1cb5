"""Dense targets for the image encoder: every patch says what it belongs to, where that thing's centre is, and
how it stands.

A decoder trained from scratch on four numbers an episode gets almost no gradient about *where* things are;
hundreds of labels an image do (docs/nano.md). UIO-2's own ViT comes pre-trained; this is how ours
learns to see (`pretrain.patch_labels`). The heads live with the training state and do not ship.

Unusual: the centre is scored against the location rows of the text table, the same rows the decoder answers
with, so that features already speak the language of the answer. And when the whole model learns, each patch
that leaves the *encoder* says whether the next step picks its object, or places onto it, where it is taken
and turned to, and where the prompt's scene and the first view show the same thing: which object is meant is
one bit of an action and where it goes two numbers, but each is a label on every patch. Where a picture is
asked for, each patch says what is drawn in its place, whether something comes to lie there, and from where:
the encoder, which sees all of the picture at once, knows it before the decoder draws token by token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.losses import bump_table
from pretrain.patch_labels import NOTHING, Labels
from uio2_agent.inputs.batch import Batch
from uio2_agent.model import Encoded
from uio2_agent.text.vocabulary import LOCATIONS
from uio2_agent.unified_io2 import UnifiedIO2


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
        self.posture = nn.Linear(width, 3 * out)
        self.role = nn.Linear(out, 3)
        self.move = nn.Linear(out, 4 * out)
        self.contrast = nn.Linear(out, 5)
        self.asked = nn.Linear(out, 5)
        self.elsewhere = nn.Linear(out, 2 * 2 * out)
        self.turn = nn.Linear(out, 2 * out)
        self.drawn = nn.Linear(out, out)
        self.ending = nn.Linear(out, 3)
        self.source = nn.Linear(out, 2 * out)
        self._kernel = bump_table(sigma)

    def forward(self, model: UnifiedIO2, features: "Features", labels: Labels) -> dict[str, Tensor]:
        """Return the mean losses over labelled patches, where there are any: name, texture, centre and
        posture.
        """
        last, mask = features.image
        known = mask & (labels.name != NOTHING)
        seen, names, textures = last[known], labels.name[known], labels.texture[known]  # [n, width], [n], [n]
        placed, bins = seen, labels.centre[known]  # [m, width], [m, 2]
        standing, postures = seen, labels.posture[known]  # [s, width], [s, 3]
        if features.history is not None:
            last, mask = features.history  # [present frames, N, width]
            # one row per present frame, as the history embedder ran them
            name, texture = labels.history_name[features.present], labels.history_texture[features.present]
            known = mask & (name != NOTHING)
            seen = torch.cat([seen, last[known]])
            names, textures = torch.cat([names, name[known]]), torch.cat([textures, texture[known]])
            centre = labels.history_centre[features.present]  # [present frames, N, 2]
            known = mask & (centre[..., 0] != NOTHING)
            placed, bins = torch.cat([placed, last[known]]), torch.cat([bins, centre[known]])
            posture = labels.history_posture[features.present]  # [present frames, N, 3]
            known = mask & (posture != NOTHING).any(-1)
            standing, postures = torch.cat([standing, last[known]]), torch.cat([postures, posture[known]])
        losses = {}
        for name, head, wanted in (("name", self.name, names), ("texture", self.texture, textures)):
            told = wanted != NOTHING
            if told.any():
                losses[name] = F.cross_entropy(head(seen[told]).float(), wanted[told])
        if len(bins):
            losses["centre"] = self._bins_loss(model, self.centre(placed).unflatten(-1, (2, -1)), bins)
        if (told := postures != NOTHING).any():
            hidden = self.posture(standing).unflatten(-1, (3, -1))  # [s, 3, D]
            losses["posture"] = self._bins_loss(model, hidden[told], postures[told])
        return losses

    def encoded_losses(
        self, model: UnifiedIO2, encoded: Encoded, batch: Batch, labels: Labels
    ) -> dict[str, Tensor]:
        """Mean losses of what image patches tell when they leave the encoder, where any is labelled: role,
        and move, contrast and elsewhere where their heads learn; of what the text's tokens tell together: the
        contrast that is asked for; and of what the latents of a history picture do: the turn that it shows.
        """
        wide, first = encoded.spread(), batch.text.tokens.shape[1]
        patches = image_part(encoded, batch)  # [B, N, D]
        known = batch.image.mask & (labels.role != NOTHING)
        losses = {}
        if known.any():
            losses["role"] = F.cross_entropy(self.role(patches[known]).float(), labels.role[known])
        taken = batch.image.mask & (labels.move[..., 0] != NOTHING)
        if self.move.weight.requires_grad and taken.any():
            hidden = self.move(patches[taken]).unflatten(-1, (4, -1))  # [m, 4, D]
            losses["move"] = self._bins_loss(model, hidden, labels.move[taken])
        compared = batch.image.mask & (labels.contrast != NOTHING)
        if self.contrast.weight.requires_grad and compared.any():
            scores = self.contrast(patches[compared])  # [n, 5]
            losses["contrast"] = F.cross_entropy(scores.float(), labels.contrast[compared])
        asked = labels.asked != NOTHING
        if self.asked.weight.requires_grad and asked.any():
            words, there = wide[asked, :first], batch.text.mask[asked][..., None]  # [n, T, D]
            scores = self.asked((words * there).sum(1) / there.sum(1))  # [n, 5]
            losses["asked"] = F.cross_entropy(scores.float(), labels.asked[asked])
        bins = labels.elsewhere[known]  # [n, 2 places, 2]
        told = bins[..., 0] != NOTHING  # [n, 2 places]
        if self.elsewhere.weight.requires_grad and told.any():
            hidden = self.elsewhere(patches[known]).unflatten(-1, (2, 2, -1))  # [n, 2 places, 2, D]
            losses["elsewhere"] = self._bins_loss(model, hidden[told], bins[told])
        turned = labels.turn[..., 0] != NOTHING  # [B, F]
        ends = batch.image.mask & (labels.ending != NOTHING)
        if self.ending.weight.requires_grad and ends.any():
            losses["ending"] = _balanced(self.ending(patches[ends]), labels.ending[ends])
        came = batch.image.mask & (labels.source[..., 0] != NOTHING)
        if self.source.weight.requires_grad and came.any():
            hidden = self.source(patches[came]).unflatten(-1, (2, -1))  # [n, 2, D]
            losses["source"] = self._bins_loss(model, hidden, labels.source[came])
        if self.turn.weight.requires_grad and turned.any():
            start, frames = first + labels.role.shape[1], turned.shape[1]
            latents = model.config.image_history.latents
            shown = wide[:, start : start + frames * latents].unflatten(1, (frames, latents))  # [B, F, L, D]
            hidden = self.turn(shown[turned].mean(1)).unflatten(-1, (2, -1))  # [n, 2, D]
            losses["turn"] = self._bins_loss(model, hidden, labels.turn[turned])
        return losses

    def drawn_loss(
        self, model: UnifiedIO2, encoded: Encoded, batch: Batch, labels: Labels, codes: Tensor
    ) -> Tensor | None:
        """Mean loss of the tokens int64 [B, T] of pictures to be drawn, told by the patches in whose places
        they lie when these leave the encoder; of those that count. None where nothing is told.
        """
        known = batch.image.mask & (labels.drawn != NOTHING)  # [B, N]
        at = labels.drawn.clamp(min=0)
        known &= batch.image_target.loss_mask.gather(1, at)
        if not (self.drawn.weight.requires_grad and known.any()):
            return None
        patches = image_part(encoded, batch)[known]  # [n, D]
        scores = model.targets["image"].logits(self.drawn(patches), model.table("image"))  # [n, V]
        return F.cross_entropy(scores.float(), codes.gather(1, at)[known])

    def _bins_loss(self, model: UnifiedIO2, hidden: Tensor, bins: Tensor) -> Tensor:
        """Mean loss of bins int64 [...], scored by hidden [..., D] against the rows of location tokens."""
        table = location_rows(model)
        hidden = hidden * table.shape[1] ** -0.5
        total = (hidden @ table.T).float().logsumexp(-1)  # [...]
        # A mean of scores is the score of a mean: one row for each bin that occurs, not for each patch.
        found, which = bins.unique(return_inverse=True)
        means = self._kernel.to(hidden.device)[found] @ table.float()  # [bins, D]
        wanted = (hidden.float() * means[which]).sum(-1)
        return (total - wanted).mean()


def image_part(encoded: Encoded, batch: Batch) -> Tensor:
    """Return what left the encoder of a batch's image patches, [B, N, D]."""
    first = batch.text.tokens.shape[1]  # the image follows the text
    return encoded.spread()[:, first : first + batch.image.mask.shape[1]]


def location_rows(model: UnifiedIO2) -> Tensor:
    """Return the rows [1000, D] of the text table that stand for bins, in the order of the bins."""
    first = model.processor.tokenizer.vocabulary.pieces
    return model.text_table.weight[first : first + LOCATIONS].flip(0)


def _balanced(scores: Tensor, classes: Tensor) -> Tensor:
    """Mean over the classes int64 [n] that occur of their cross-entropy under scores [n, classes]: what is
    rare counts as much as what is everywhere.
    """
    losses = F.cross_entropy(scores.float(), classes, reduction="none")
    return torch.stack([losses[classes == each].mean() for each in classes.unique()]).mean()


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
