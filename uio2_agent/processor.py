"""Requests and targets to a batch: tag, tokenise, cut pictures into patches, pad, mask (spec sections 10
and 11).

Unusual: padding goes only as far as the longest row, or, with `fixed_shape`, as far as the configuration
allows in every part, so that a row's arithmetic has the same shape whatever it is batched with.
Spectrograms come with a later version.
"""

from collections.abc import Sequence

import numpy as np
import torch

from uio2_agent.batch import Batch, Patches, TextInput, TokenTarget
from uio2_agent.config import TARGET_MODALITIES, UnifiedIO2Config
from uio2_agent.errors import RequestError
from uio2_agent.images import PatchList, image_patches
from uio2_agent.request import Request
from uio2_agent.text import TextTokenizer
from uio2_agent.vocabulary import HISTORY_MARKERS, prefix_text

__all__ = ["Batch", "Processor"]


class Processor:
    """Turn requests (and targets) into a batch for one model configuration.

    >>> processor = Processor(UnifiedIO2Config.preset("nano"), TextTokenizer.packaged())
    >>> processor([Request("Put the <image_history_1> into the bowl.")]).text.tokens.shape
    torch.Size([1, 9])
    """

    def __init__(self, config: UnifiedIO2Config, tokenizer: TextTokenizer):
        if tokenizer.vocabulary.size > config.text_rows:
            raise RequestError(
                f"the tokenizer has {tokenizer.vocabulary.size} ids, the model {config.text_rows} rows: "
                "hand in the tokenizer the model was made with"
            )
        self.config = config
        self.tokenizer = tokenizer

    def __call__(
        self,
        requests: Sequence[Request],
        targets: Sequence[str] | None = None,
        target: str = "text",
        fixed_shape: bool = False,
    ) -> Batch:
        """Build a batch with one row per request; `target` names the modality that is asked for."""
        if not requests:
            raise RequestError("no requests: hand in at least one")
        if target not in TARGET_MODALITIES:
            raise RequestError(f"there is no target {target!r}; there are {', '.join(TARGET_MODALITIES)}")
        if targets is not None and len(targets) != len(requests):
            raise RequestError(
                f"{len(requests)} requests but {len(targets)} targets: hand in one per request"
            )
        if any(request.audio is not None or request.audio_history for request in requests):
            raise RequestError("audio inputs are not supported by this version")
        return Batch(
            text=self._text([f"{prefix_text(target)} {request.text}" for request in requests], fixed_shape),
            image=self._images([request.image for request in requests], fixed_shape),
            image_history=self._histories([request.image_history for request in requests], fixed_shape),
            text_target=None if targets is None else self._text_target(targets, fixed_shape),
        )

    def _ids(self, text: str, length: int) -> list[int]:
        return [*self.tokenizer.encode(text)[: length - 1], self.tokenizer.vocabulary.eos]

    def _text(self, texts: Sequence[str], fixed_shape: bool) -> TextInput:
        limit = self.config.text_input_length
        tokens = _pad([self._ids(text, limit) for text in texts], limit if fixed_shape else None)
        return TextInput(tokens, tokens > 0, torch.arange(tokens.shape[1]).expand_as(tokens))

    def _text_target(self, texts: Sequence[str], fixed_shape: bool) -> TokenTarget:
        limit = self.config.text_target_length
        targets = _pad([self._ids(text, limit) for text in texts], limit if fixed_shape else None)
        inputs = torch.zeros_like(targets)
        inputs[:, 1:] = targets[:, :-1]
        return TokenTarget(inputs, targets, targets > 0, torch.arange(targets.shape[1]).expand_as(targets))

    def _images(self, images: Sequence[np.ndarray | None], fixed_shape: bool) -> Patches | None:
        config = self.config
        if not _wanted("image", config, any(image is not None for image in images), fixed_shape):
            return None
        cut = [
            None
            if image is None
            else self._cut(image, config.image_size, config.image_tokens, f"image of request {row}")
            for row, image in enumerate(images)
        ]
        length = config.image_tokens if fixed_shape else None
        stacked = _stack([[patches] for patches in cut], 1, length, config.image_encoder.patch_dim)
        return Patches(stacked.values[:, 0], stacked.mask[:, 0], stacked.positions[:, 0])

    def _histories(self, histories: Sequence[Sequence[np.ndarray]], fixed_shape: bool) -> Patches | None:
        config = self.config
        longest = max(map(len, histories))
        most = min(HISTORY_MARKERS, config.image_history.max_frames)
        if longest > most:
            raise RequestError(f"{longest} history images in one request: the model takes at most {most}")
        if not _wanted("image_history", config, longest > 0, fixed_shape):
            return None
        cut = [
            [
                self._cut(
                    image,
                    config.history_size,
                    config.history_tokens,
                    f"history image {j + 1} of request {row}",
                )
                for j, image in enumerate(images)
            ]
            for row, images in enumerate(histories)
        ]
        frames = max(config.history_frames, longest) if fixed_shape else longest
        return _stack(
            cut, frames, config.history_tokens if fixed_shape else None, config.image_encoder.patch_dim
        )

    def _cut(self, image: np.ndarray, size: tuple[int, int], limit: int, what: str) -> PatchList:
        config = self.config
        return image_patches(
            image, size, config.image_encoder.patch_size, limit, config.drop_background, what
        )


def _wanted(modality: str, config: UnifiedIO2Config, present: bool, fixed_shape: bool) -> bool:
    known = modality in config.input_modalities
    if present and not known:
        raise RequestError(f"this model takes no {modality}; it takes {', '.join(config.input_modalities)}")
    return present or (known and fixed_shape)


def _pad(rows: Sequence[Sequence[int]], length: int | None) -> torch.Tensor:
    longest = max(map(len, rows)) if length is None else length
    padded = np.zeros((len(rows), longest), np.int64)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    return torch.from_numpy(padded)


def _stack(rows: list[list[PatchList | None]], frames: int, length: int | None, patch_dim: int) -> Patches:
    """Lay out frames of patches as [B, F, N, patch dim], zeros and a False mask where there is nothing."""
    every = [patches for row in rows for patches in row if patches is not None]
    count = max([1, *(len(patches.mask) for patches in every)]) if length is None else length
    dim = patch_dim
    values = np.zeros((len(rows), frames, count, dim), np.float32)
    mask = np.zeros((len(rows), frames, count), bool)
    positions = np.zeros((len(rows), frames, count), np.int64)
    for row, row_frames in enumerate(rows):
        for frame, patches in enumerate(row_frames):
            if patches is not None:
                n = len(patches.mask)
                values[row, frame, :n] = patches.values
                mask[row, frame, :n] = patches.mask
                positions[row, frame, :n] = patches.positions
    return Patches(*map(torch.from_numpy, (values, mask, positions)))
