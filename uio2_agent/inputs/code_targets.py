"""Image and audio targets of a batch: what their tokenizers read, and which codes exist.

Unusual: the target of a request with an image is laid over that image: nearest-neighbour resizes, the
padding and the mask of the input. Rows without a target of the modality are zero under a False mask.
"""

from collections.abc import Sequence

import numpy as np
import torch

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError
from uio2_agent.inputs.batch import CodeTarget
from uio2_agent.media.geometry import Placement
from uio2_agent.media.images import check_image, resize_and_pad, resize_nearest, resize_over
from uio2_agent.media.spectrogram import check_spectrogram, target_values
from uio2_agent.request import Request, Target


def image_target(
    requests: Sequence[Request], targets: Sequence[Target], config: UnifiedIO2Config
) -> CodeTarget | None:
    """Return images [B, H, W, 3] in [-1, 1] of the tokenizer's size and their masks; None without any."""
    if not _wanted("image", targets, config):
        return None
    size, grid = config.image_tokenizer.image_size, config.image_tokenizer.grid
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
    return _target(pictures, masks)


def audio_target(targets: Sequence[Target], config: UnifiedIO2Config) -> CodeTarget | None:
    """Return normalised spectrograms [B, time, mel, 1] of the tokenizer's size and masks, time first; None
    without any.
    """
    if not _wanted("audio", targets, config):
        return None
    (mels, time), (rows, columns) = config.audio_tokenizer.spectrogram_size, config.audio_tokenizer.grid
    values = np.zeros((len(targets), time, mels, 1), np.float32)
    masks = np.zeros((len(targets), rows * columns), bool)
    for row, target in enumerate(targets):
        if target.audio is not None:
            power = check_spectrogram(target.audio, (time, mels), f"audio target of request {row}")
            values[row, ..., 0] = target_values(power)
            masks[row] = resize_nearest(power != 0, (columns, rows)).reshape(-1)
    return _target(values, masks)


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


def _target(values: np.ndarray, masks: np.ndarray) -> CodeTarget:
    mask = torch.from_numpy(masks)
    return CodeTarget(torch.from_numpy(values), mask, mask.clone())
