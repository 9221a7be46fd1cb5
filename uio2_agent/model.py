"""UnifiedIO2: embed, encode, decode, score (spec sections 5 to 8).

Unusual: the ViTs and the text table belong to the model and are handed to the embedders that use them, so
each weight has one owner and one name. Padded positions are masked as keys only; what stands in their rows
is finite and unread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.batch import Batch, TokenTarget
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.embedders.history import HistoryEmbedder
from uio2_agent.embedders.image import PatchEmbedder
from uio2_agent.embedders.text import TextEmbedder
from uio2_agent.embedders.tokens import Tokens, concatenate
from uio2_agent.embedders.vit import ViT
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.layers import Rotary
from uio2_agent.positions import rotary_pair
from uio2_agent.request import Answer, Request
from uio2_agent.targets.audio import AudioTargetEmbedder
from uio2_agent.targets.image import ImageTargetEmbedder
from uio2_agent.targets.text import TextTargetEmbedder
from uio2_agent.transformer import Decoder, Encoder

if TYPE_CHECKING:
    from uio2_agent.processor import Processor


@dataclass
class Encoded:
    """What decoding reads: hidden [B, S, D], mask bool [B, S], rotary (cos, sin); maybe its input."""

    hidden: Tensor
    mask: Tensor
    rotary: Rotary
    inputs: Tokens | None = None


@dataclass
class Output:
    """By target modality: logits [B, T, V] (divided by sqrt(D)), masks True where the loss counts.

    loss is the sum of `losses`, each the mean over the tokens of its modality.
    """

    loss: Tensor
    losses: dict[str, Tensor]
    logits: dict[str, Tensor]
    targets: dict[str, Tensor]
    masks: dict[str, Tensor]
    hidden: dict[str, Tensor]


class UnifiedIO2(nn.Module):
    """The encoder-decoder of Unified-IO 2 for text, image, image history and audio.

    >>> model = UnifiedIO2(UnifiedIO2Config.preset("nano"))
    >>> sum(parameter.numel() for parameter in model.parameters()) < 10_000_000
    True
    """

    processor: "Processor | None" = None
    """Set by `from_pretrained`; needed by `generate` on requests."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.config = config
        self.text_table = nn.Embedding(config.text_rows, config.width)
        for name in ("image", "audio"):
            if name in config.target_modalities:
                rows = config.image_rows if name == "image" else config.audio_rows
                setattr(self, f"{name}_table", nn.Embedding(rows, config.width))
        self.image_encoder = ViT(config.image_encoder, config.position_init)
        self.audio_encoder = ViT(config.audio_encoder, config.position_init) if config.audio_encoder else None
        self.inputs = nn.ModuleDict({name: self._embedder(name) for name in config.input_modalities})
        self.targets = nn.ModuleDict({name: _TARGETS[name](config) for name in config.target_modalities})
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def _embedder(self, modality: str) -> nn.Module:
        config = self.config
        if modality == "text":
            return TextEmbedder(config)
        vit = config.image_encoder if modality.startswith("image") else config.audio_encoder
        resampler = {"image_history": config.image_history, "audio_history": config.audio_history}.get(
            modality
        )
        if vit is None or (modality == "audio_history" and resampler is None):
            raise UIO2Error(
                f"input modality {modality!r} needs audio_encoder and audio_history in the configuration"
            )
        grid = {"image": config.image_grid, "image_history": config.history_grid}.get(
            modality, config.audio_grid
        )
        if resampler is not None:
            return HistoryEmbedder(config, resampler, vit, grid)
        return PatchEmbedder(config, vit, grid)

    @property
    def device(self) -> torch.device:
        return self.text_table.weight.device

    def embed(self, batch: Batch) -> Tokens:
        """Embed the batch in the fixed order text, image, image history, audio, audio history."""
        parts = []
        for name in ("text", "image", "image_history", "audio", "audio_history"):
            value = getattr(batch, name)
            if value is None:
                continue
            if name not in self.inputs:
                raise RequestError(f"the batch holds {name}, this model takes {', '.join(self.inputs)}")
            if name == "text":
                parts.append(self.inputs[name](value, self.text_table.weight))
            else:
                vit = self.image_encoder if name.startswith("image") else self.audio_encoder
                parts.append(self.inputs[name](value, vit))
        return concatenate(parts)

    def encode(self, batch: Batch) -> Encoded:
        """Run the encoder over all inputs of the batch."""
        tokens = self.embed(batch)
        rotary = rotary_pair(tokens.rotary)
        hidden = self.encoder(tokens.embed, tokens.mask[:, None, None], rotary)
        return Encoded(hidden, tokens.mask, rotary, tokens)

    def table(self, modality: str) -> Tensor:
        """Return the token embeddings [V, D] of a target modality."""
        return getattr(self, f"{modality}_table").weight

    def decode(self, target: TokenTarget, encoded: Encoded, modality: str = "text") -> Tensor:
        """Run the decoder over a whole target at once; returns normed hidden states [B, T, D]."""
        embedder = self.targets[modality]
        embed, rows = embedder.embed(target.inputs, target.positions, self.table(modality))
        length = target.inputs.shape[1]
        # Padding stands behind the tokens, so what is causal never looks at it.
        mask = torch.ones(length, length, dtype=torch.bool, device=embed.device).tril()
        if target.valid is not None:  # padding of a picture may stand anywhere; each query sees itself
            itself = torch.eye(length, dtype=torch.bool, device=embed.device)
            mask = mask & target.valid[:, None, None] | itself  # [B, 1, T, T]
        cross = self.decoder.cross(encoded.hidden, encoded.rotary)
        return self.decoder(embed, mask, rotary_pair(rows), cross, encoded.mask[:, None, None])

    def forward(self, batch: Batch, z_loss: float = 0.0) -> Output:
        """Score the targets of a batch under teacher forcing.

        Each modality is decoded by itself: targets of one request never attend to each other.
        """
        targets = self.token_targets(batch)
        if not targets:
            raise RequestError("the batch has no targets: hand targets to the processor, or call generate")
        encoded = self.encode(batch)
        parts = [self.score(target, encoded, z_loss, name) for name, target in targets.items()]
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
        """Score a target whose request is encoded already."""
        hidden = self.decode(target, encoded, modality)
        logits = self.targets[modality].logits(hidden, self.table(modality))
        loss = token_loss(logits, target.targets, target.mask, z_loss)
        values = (loss, logits, target.targets, target.mask, hidden)
        return Output(loss, *({modality: value} for value in values))

    def generate(
        self,
        request: Request | Sequence[Request],
        target: str = "text",
        *,
        grammar: Any = None,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        fixed_shape: bool = False,
    ) -> Answer | list[Answer]:
        """Answer one request or several; see `uio2_agent.generation.generate`."""
        from uio2_agent.generation import generate

        single = isinstance(request, Request)
        answers = generate(
            self,
            [request] if single else list(request),
            target=target,
            grammar=grammar,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
            fixed_shape=fixed_shape,
        )
        return answers[0] if single else answers

    @classmethod
    def from_pretrained(cls, name_or_dir: str | Path, **options: Any) -> "UnifiedIO2":
        """Load a packaged model by name, or a directory; see `uio2_agent.checkpoint.load`."""
        from uio2_agent.checkpoint import load

        return load(name_or_dir, **options)

    def save_pretrained(self, directory: str | Path, **options: Any) -> Path:
        """Write the model to a directory; see `uio2_agent.checkpoint.save`."""
        from uio2_agent.checkpoint import save

        return save(self, directory, **options)


_TARGETS = {"text": TextTargetEmbedder, "image": ImageTargetEmbedder, "audio": AudioTargetEmbedder}


def token_loss(logits: Tensor, targets: Tensor, mask: Tensor, z_loss: float = 0.0) -> Tensor:
    """Mean cross-entropy over True positions, plus z_loss times the squared log-partition (spec 8.5)."""
    logits = logits.float()
    per_token = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    if z_loss:
        per_token = per_token + z_loss * logits.logsumexp(-1).square()
    return (per_token * mask).sum() / mask.sum().clamp(min=1)
