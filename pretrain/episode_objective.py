"""What is minimised on episodes: the eye's dense losses alone at first, then the plan's text beside them.

The eye's phase and the plan's are one objective, which knows from the number of a step what it is about.
"""

import torch
from torch import Tensor

from pretrain.dense_heads import DenseHeads, Watch, look
from pretrain.losses import TextLoss
from pretrain.patch_labels import Labels
from uio2_agent.inputs.batch import Batch
from uio2_agent.unified_io2 import UnifiedIO2


class EpisodeObjective:
    """Losses of batches of episodes, by name: locations and words of text answers, other modalities; role of
    patches, where else their things are shown and what is drawn in their places; name, texture and centre of
    what patches show.
    """

    def __init__(
        self,
        model: UnifiedIO2,
        eye: DenseHeads,
        *,
        sigma: float,
        eye_steps: int,
        eye_weight: float,
        encoder_learns: bool,
        half_precision: bool,
        packs: bool = False,
    ):
        """`eye_steps`: first steps, in which the image encoder learns alone; `eye_weight`: of its losses
        afterwards; `encoder_learns`: whether it learns then; `half_precision`: autocast to bfloat16; `packs`:
        let the examples of a batch share one row, so that nothing is padded. The losses are the same.
        """
        self._model, self._eye = model, eye
        self._eye_steps, self._eye_weight, self._encoder_learns = eye_steps, eye_weight, encoder_learns
        self._half_precision, self.packs = half_precision, packs
        self._watch = Watch(model)
        self._text_loss = TextLoss(model.processor.tokenizer.vocabulary, sigma)

    def counts(self, batch: tuple[Batch, Labels]) -> Tensor:
        """Nothing: each loss is a mean already, a batch at a time."""
        return torch.zeros(0)

    def __call__(
        self, batch: tuple[Batch, Labels], step: int, totals: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total loss of a step's batch, and the losses by name."""
        eye_only = step < self._eye_steps
        weight = 1.0 if eye_only else self._eye_weight
        self._model.image_encoder.requires_grad_(eye_only or self._encoder_learns)
        losses: dict[str, Tensor] = {}
        dense: dict[str, Tensor] = {}
        content, labels = batch
        device = self._model.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._half_precision):
            if eye_only:
                look(self._model, content)
            else:
                losses = self._answers(content, labels)
            features = self._watch.take(content)
            if weight > 0:
                dense = self._eye(self._model, features, labels)
        nothing = torch.zeros((), device=self._model.device)
        return sum(losses.values(), nothing) + weight * sum(dense.values(), nothing), losses | dense

    def _answers(self, batch: Batch, labels: Labels) -> dict[str, Tensor]:
        losses = {}
        encoded = self._model.encode(batch, [list(range(batch.rows))] if self.packs else None)
        targets = self._model.token_targets(batch)
        output = self._model.score_all(targets, encoded)
        for name, loss in output.losses.items():
            if name == "text":
                losses["locations"], losses["words"] = self._text_loss(
                    output.logits[name], output.targets[name], output.masks[name]
                )
            else:
                losses[name] = loss
        if "image" in targets and batch.image is not None:
            codes = targets["image"].targets
            drawn = self._eye.drawn_loss(self._model, encoded, batch, labels, codes)
            losses |= {} if drawn is None else {"drawn": drawn}
        if batch.image_history is not None:  # a plan is asked for; boxes are asked for without images
            losses |= self._eye.encoded_losses(self._model, encoded, batch, labels)
        return losses
