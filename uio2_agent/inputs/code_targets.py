"""Image and audio targets of a batch: what their tokenizers read, and which codes exist.

Unusual: the target of a request with an image is laid over that image: nearest-neighbour resizes, the
padding and the mask of the input. Rows without a target of the modality are zero under a False mask. Where a
request shows part of the very picture that is its target, the tokens of the rest are the `task_mask`.
"""

from collections.abc import Sequence

import numpy as np
import torch

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError
from uio2_agent.inputs.batch import CodeTarget
from uio2_agent.inputs.hidden import hidden_tokens
from uio2_agent.media.geometry import Placement
from uio2_agent.media.images import check_image, resize_and_pad, resize_nearest, resize_over
from uio2_agent.media.spectrogram import check_spectrogram, target_values
from uio2_agent.request import Request, Target

Masks = Sequence[np.ndarray | None]
"""For each row what its input hides of the target, as `inputs.hidden.Hidden` says it; None for nothing."""


def image_target(
    requests: Sequence[Request],
    targets: Sequence[Target],
    config: UnifiedIO2Config,
    hidden: Masks,
    hidden_loss_only: bool = False,
) -> CodeTarget | None:
    """Return images [B, H, W, 3] in [-1, 1] of the tokenizer's size and their masks; None without any.

    With `hidden_loss_only` the loss of a row that hides something counts where it does, else everywhere.
    """
    if not _wanted("image", targets, config):
        return None
    size, grid = config.image_tokenizer.image_size, target_grid(config, "image")
    pictures = np.zeros((len(targets), *size, 3), np.float32)
    masks = np.zeros((len(targets), grid[0] * grid[1]), bool)
    for row, (request, target) in enumerate(zip(requests, targets, strict=True)):
        if target.image is None:
            continue
        image = check_image(target.image, f"image target of request {row}")
        if request.image is None:
            planes, placement = resize_and_pad(image, size)
            pixels, covered = planes.transpose(1, 2, 0), _covered(placement)
        else:
            placement = Placement.fit(np.shape(request.image)[:2], config.image_size)
            pixels, covered = resize_over(image, placement, size), resize_nearest(_covered(placement), size)
        pictures[row] = pixels * 2 - 1
        masks[row] = resize_nearest(covered, grid).reshape(-1)
    return _target(pictures, masks, hidden, grid, hidden_loss_only)


def audio_target(
    targets: Sequence[Target], config: UnifiedIO2Config, hidden: Masks, hidden_loss_only: bool = False
) -> CodeTarget | None:
    """Return normalised spectrograms [B, time, mel, 1] of the tokenizer's size and masks, time first; None
    without any. See `image_target`.
    """
    if not _wanted("audio", targets, config):
        return None
    (mels, time), grid = config.audio_tokenizer.spectrogram_size, target_grid(config, "audio")
    values = np.zeros((len(targets), time, mels, 1), np.float32)
    masks = np.zeros((len(targets), grid[0] * grid[1]), bool)
    for row, target in enumerate(targets):
        if target.audio is not None:
            power = check_spectrogram(target.audio, (time, mels), f"audio target of request {row}")
            values[row, ..., 0] = target_values(power)
            masks[row] = resize_nearest(power != 0, grid).reshape(-1)
    return _target(values, masks, hidden, grid, hidden_loss_only)


def target_grid(config: UnifiedIO2Config, modality: str) -> tuple[int, int] | None:
    """Return rows and columns of the tokens of an image or audio target, in the order in which they are
    decoded; None where the model has no such target.
    """
    if modality not in config.target_modalities:
        return None
    if modality == "image":
        return config.image_tokenizer.grid
    rows, columns = config.audio_tokenizer.grid
    return columns, rows


def _wanted(modality: str, targets: Sequence[Target], config: UnifiedIO2Config) -> bool:
    if all(getattr(target, modality) is None for target in targets):
        return False
    if modality not in config.target_modalities:
        known = ", ".join(config.target_modalities)
        raise RequestError(f"there is an {modality} target, but this model answers with {known} only")
    return True


def _covered(placement: Placement) -> np.ndarray:
    """Return bool [height, width] of the square: whether the picture is there."""
    covered = np.zeros(placement.size, bool)
    covered[placement.inside] = True
    return covered


def _target(
    values: np.ndarray, masks: np.ndarray, hidden: Masks, grid: tuple[int, int], hidden_loss_only: bool
) -> CodeTarget:
    mask, loss_mask = torch.from_numpy(masks), torch.from_numpy(masks.copy())
    if all(row is None for row in hidden):
        return CodeTarget(torch.from_numpy(values), mask, loss_mask)
    task_masks = np.stack(
        [np.zeros(masks.shape[1], bool) if row is None else hidden_tokens(row, grid) for row in hidden]
    )
    task_mask = torch.from_numpy(task_masks)
    if hidden_loss_only:
        loss_mask &= task_mask | ~task_mask.any(1, keepdim=True)
    return CodeTarget(torch.from_numpy(values), mask, loss_mask, task_mask)
