"""The network: embed, encode, decode, score.

Unusual: the ViTs and the text table belong to the network and are handed to the embedders that use them, so
each weight has one owner and one name. Padding is left out before the encoder runs, and rows of unlike length
run apart, so a request costs what it holds whatever it is batched with; or requests share rows (`rows=`),
with the same results. What stands in masked rows is finite and unread. It knows tensors only: no requests, no
answers, no files.
"""

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.config import INPUT_MODALITIES, UnifiedIO2Config
from uio2_agent.embedders.history import HistoryEmbedder
from uio2_agent.embedders.image import PatchEmbedder
from uio2_agent.embedders.text import TextEmbedder
from uio2_agent.embedders.tokens import Tokens, compact, concatenate
from uio2_agent.embedders.vit import ViT
from uio2_agent.errors import RequestError
from uio2_agent.inputs.batch import Batch, TokenTarget
from uio2_agent.modalities import patch_modalities, patch_modality
from uio2_agent.network.encoded import Encoded, PackedInputs
from uio2_agent.network.layers import attention_bias
from uio2_agent.network.length_groups import length_groups
from uio2_agent.network.masks import target_masks
from uio2_agent.network.meta_device import shapes_only_on_meta
from uio2_agent.network.packed_decoding import decode_rows
from uio2_agent.network.packed_masks import BLOCK, Slots, attention_under, in_blocks, same_segment
from uio2_agent.network.packing import Layout, Rows
from uio2_agent.network.positions import rotary_pair
from uio2_agent.network.transformer import Decoder, Encoder
from uio2_agent.targets.audio import AudioTargetEmbedder
from uio2_agent.targets.image import ImageTargetEmbedder
from uio2_agent.targets.text import TextTargetEmbedder


@dataclass
class Output:
    """By target modality: logits [B, T, V] (divided by sqrt(D)), masks True where the loss counts.

    Of packed rows, B is 1 and T runs over the tokens that count, of one example after the other. loss is the
    sum of `losses`, each the mean over the tokens of its modality.
    """

    loss: Tensor
    losses: dict[str, Tensor]
    logits: dict[str, Tensor]
    targets: dict[str, Tensor]
    masks: dict[str, Tensor]
    hidden: dict[str, Tensor]


class Network(nn.Module):
    """The encoder-decoder of Unified-IO 2 for text, image, image history and audio.

    >>> network = Network(UnifiedIO2Config.preset("nano"))
    >>> sum(parameter.numel() for parameter in network.parameters()) < 10_000_000
    True
    """

    @shapes_only_on_meta
    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.config = config
        self.text_table = nn.Embedding(config.text_rows, config.width)
        for name in ("image", "audio"):
            if name in config.target_modalities:
                rows = getattr(config, f"{name}_rows")
                setattr(self, f"{name}_table", nn.Embedding(rows, config.width))
        self.image_encoder = ViT(config.image_encoder, config.position_init)
        self.audio_encoder = ViT(config.audio_encoder, config.position_init) if config.audio_encoder else None
        self.inputs = nn.ModuleDict({name: self._embedder(name) for name in config.input_modalities})
        self.targets = nn.ModuleDict({name: _TARGETS[name](config) for name in config.target_modalities})
        self.packed_heads: dict[str, nn.Module] = {}  # filled by `generation.packed_weights`
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def _embedder(self, modality: str) -> nn.Module:
        config = self.config
        if modality == "text":
            return TextEmbedder(config)
        found = patch_modality(config, modality)
        if found.is_history:
            return HistoryEmbedder(config, found.resampler, found.encoder, found.grid)
        return PatchEmbedder(config, found.encoder, found.grid)

    @property
    def device(self) -> torch.device:
        return self.text_table.weight.device

    def transformer_to(self, dtype: torch.dtype) -> Self:
        """Bring all weights to a precision but those of the ViTs and the target tokenizers, in place.

        That is how the released bfloat16 checkpoints are stored.
        """
        self.to(dtype)
        for name, module in self.named_modules():
            if name in ("image_encoder", "audio_encoder") or name.endswith(".tokenizer"):
                module.float()
        return self

    def embed(self, batch: Batch) -> Tokens:
        """Embed the batch in the fixed order text, image, image history, audio, audio history."""
        return concatenate(self._embedded(batch))

    def _embedded(self, batch: Batch) -> list[Tokens]:
        """Embed each modality of the batch."""
        parts = []
        modalities = patch_modalities(self.config)
        for name in INPUT_MODALITIES:
            value = getattr(batch, name)
            if value is None:
                continue
            if name not in self.inputs:
                raise RequestError(f"the batch holds {name}, this model takes {', '.join(self.inputs)}")
            if name == "text":
                parts.append(self.inputs[name](value, self.text_table.weight))
            else:
                parts.append(self.inputs[name](value, getattr(self, f"{modalities[name].sense}_encoder")))
        return parts

    def encode(self, batch: Batch, rows: Rows | None = None, multiples: tuple[int, int] = (1, 1)) -> Encoded:
        """Run the encoder over all inputs of the batch, without their padding.

        rows, multiples: see `forward`.
        """
        if rows is not None:
            return self._encode_rows(self._embedded(batch), rows, multiples)
        tokens = compact(self.embed(batch))
        rotary = rotary_pair(tokens.rotary, tokens.embed.dtype)
        groups = list(length_groups(tokens.mask.sum(1).tolist()))
        if len(groups) == 1 and len(groups[0][0]) == batch.rows:
            hidden = self.encoder(tokens.embed, self._hide(tokens.mask), rotary)
            return Encoded(hidden, tokens.mask, rotary, tokens)
        hidden = torch.zeros_like(tokens.embed)
        for members, length in groups:
            index = torch.tensor(members, device=self.device)
            part = self.encoder(
                tokens.embed[index, :length],
                self._hide(tokens.mask[index, :length]),
                tuple(factor[index, :, :length] for factor in rotary),
            )
            part = F.pad(part, (0, 0, 0, hidden.shape[1] - length))
            hidden = hidden.index_put((index,), part.to(hidden.dtype))
        return Encoded(hidden, tokens.mask, rotary, tokens)

    def _encode_rows(self, parts: list[Tokens], rows: Rows, multiples: tuple[int, int]) -> Encoded:
        if in_blocks(self.device):
            multiples = tuple(-(-multiple // BLOCK) * BLOCK for multiple in multiples)
        layout = Layout.of([part.mask for part in parts], rows, multiples[0])
        dtype = parts[0].embed.dtype
        embed = layout.fold([layout.present(i, part.embed).to(dtype) for i, part in enumerate(parts)])
        turns = layout.fold([layout.present(i, part.rotary) for i, part in enumerate(parts)])
        rotary = rotary_pair(turns, dtype)
        slots = Slots(layout.segment)
        bias = attention_under([same_segment], slots, slots, dtype)[0]
        shapes = [tuple(part.mask.shape) for part in parts]
        hidden = self.encoder(embed, bias, rotary)
        return Encoded(hidden, layout.mask, rotary, packed=PackedInputs(rows, layout, shapes, multiples[1]))

    def _hide(self, mask: Tensor) -> Tensor | None:
        """Return the bias of keys [B, S] for all heads and queries."""
        return attention_bias(mask[:, None, None], self.text_table.weight.dtype)

    def table(self, modality: str) -> Tensor:
        """Return the token embeddings [V, D] of a target modality."""
        return getattr(self, f"{modality}_table").weight

    def logits(self, hidden: Tensor, modality: str) -> Tensor:
        """Score decoder output [..., D] against a modality's tokens [..., V], divided by sqrt(D)."""
        if modality in self.packed_heads:
            return self.packed_heads[modality](hidden) * hidden.shape[-1] ** -0.5
        return self.targets[modality].logits(hidden, self.table(modality))

    @property
    def is_packed(self) -> bool:
        """Whether the weights were laid out for decoding only (`generation.packed_weights`)."""
        return bool(self.packed_heads)

    def decode(self, target: TokenTarget, encoded: Encoded, modality: str = "text") -> Tensor:
        """Run the decoder over a whole target at once; returns normed hidden states [B, T, D].

        `encoded` has a row for each row of the target, or a single one that all of them answer.
        """
        embedder = self.targets[modality]
        embed, rows = embedder.embed(target.inputs, target.positions, self.table(modality))
        masks = target_masks(
            self.config,
            embedder.grid,
            target.inputs.shape[1],
            embed.device,
            valid=target.valid,
            hidden=target.hidden,
            answer=target.answer,
        )
        biases = {id(mask): attention_bias(mask, embed.dtype) for mask in masks}
        cross = [
            pair and tuple(side.expand(len(embed), -1, -1, -1) for side in pair)
            for pair in self.decoder.cross(encoded.hidden, encoded.rotary)
        ]
        return self.decoder(
            embed,
            [biases[id(mask)] for mask in masks],
            rotary_pair(rows, embed.dtype),
            cross,
            self._hide(encoded.mask),
        )

    def forward(
        self,
        batch: Batch,
        z_loss: float = 0.0,
        rows: Rows | None = None,
        multiples: tuple[int, int] = (1, 1),
    ) -> Output:
        """Score the targets of a batch under teacher forcing.

        Each modality is decoded by itself: targets of one request never attend to each other.

        rows: examples of the batch that share a row of the transformer, each in one (`pretrain.packing`);
            None runs each by itself. The losses are the same.
        multiples: what the lengths of encoder and decoder rows are rounded up to, and on a GPU on to whole
            blocks; a packer's limits give rows of one shape, for which a compiled step is made once.
        """
        targets = self.token_targets(batch)
        if not targets:
            raise RequestError("the batch has no targets: hand targets to the processor, or call generate")
        return self.score_all(targets, self.encode(batch, rows, multiples), z_loss)

    def score_all(self, targets: dict[str, TokenTarget], encoded: Encoded, z_loss: float = 0.0) -> Output:
        """Score the targets of all modalities of requests that are encoded already, packed or not."""
        if encoded.packed is None:
            parts = [self.score(target, encoded, z_loss, name) for name, target in targets.items()]
        else:
            decoded = decode_rows(self, targets, encoded)
            parts = [
                self._scored(
                    name, hidden[None], tokens[None], torch.ones_like(tokens[None], dtype=torch.bool), z_loss
                )
                for name, (hidden, tokens) in decoded.items()
            ]
        merged = Output(sum(part.loss for part in parts), {}, {}, {}, {}, {})
        for part in parts:
            for field in ("losses", "logits", "targets", "masks", "hidden"):
                getattr(merged, field).update(getattr(part, field))
        return merged

    def token_targets(self, batch: Batch) -> dict[str, TokenTarget]:
        """Return the targets of a batch by modality, pictures tokenised, in the order text, image, audio."""
        targets = {"text": batch.text_target} if batch.text_target is not None else {}
        for name, target in (("image", batch.image_target), ("audio", batch.audio_target)):
            if target is not None:
                if name not in self.targets:
                    known = ", ".join(self.targets)
                    raise RequestError(f"the batch has a target {name}, this model answers with {known}")
                targets[name] = self.targets[name].tokens(target)
        return targets

    def score(
        self, target: TokenTarget, encoded: Encoded, z_loss: float = 0.0, modality: str = "text"
    ) -> Output:
        """Score a target whose requests, or whose one request for all rows, are encoded already."""
        return self._scored(
            modality, self.decode(target, encoded, modality), target.targets, target.mask, z_loss
        )

    def _scored(self, modality: str, hidden: Tensor, tokens: Tensor, mask: Tensor, z_loss: float) -> Output:
        """Score decoder output [B, T, D] against tokens [B, T]."""
        logits = self.logits(hidden, modality)
        loss = token_loss(logits, tokens, mask, z_loss)
        return Output(loss, *({modality: value} for value in (loss, logits, tokens, mask, hidden)))


_TARGETS = {"text": TextTargetEmbedder, "image": ImageTargetEmbedder, "audio": AudioTargetEmbedder}


def token_loss(
    logits: Tensor, targets: Tensor, mask: Tensor, z_loss: float = 0.0, smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy over True positions, plus z_loss times the squared log-partition.

    With `smoothing` the target has that much less than all of the probability and all other tokens share it;
    the entropy of this distribution is taken off, so that the best possible loss is 0 as without.
    """
    logits = logits.float()
    per_token = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    if smoothing:
        others = logits.shape[-1] - 1
        elsewhere = (logits.logsumexp(-1) * (others + 1) - logits.sum(-1) - per_token) / others
        entropy = -smoothing * math.log(smoothing / others) - (1 - smoothing) * math.log1p(-smoothing)
        per_token = per_token + smoothing * (elsewhere - per_token) - entropy
    if z_loss:
        per_token = per_token + z_loss * logits.logsumexp(-1).square()
    return (per_token * mask).sum() / mask.sum().clamp(min=1)
