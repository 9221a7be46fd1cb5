"""How many tokens each example of a batch has in the encoder and in the decoder, before any encoder runs."""

import torch

from pretrain.packing.packer import Lengths
from uio2_agent.config import TARGET_MODALITIES, UnifiedIO2Config
from uio2_agent.inputs.batch import Batch
from uio2_agent.modalities import patch_modalities
from uio2_agent.network.packing import present


def token_lengths(batch: Batch, config: UnifiedIO2Config) -> list[Lengths]:
    """Count by the masks; a history counts the latents of its frames that hold anything."""
    encoder = batch.text.mask.sum(1)
    for name, modality in patch_modalities(config).items():
        if (patches := getattr(batch, name)) is None:
            continue
        if modality.is_history:
            encoder = encoder + patches.mask.any(-1).sum(1) * modality.resampler.latents
        else:
            encoder = encoder + patches.mask.sum(1)
    decoder = torch.zeros_like(encoder)
    for name in TARGET_MODALITIES:
        if (target := getattr(batch, f"{name}_target")) is not None:
            decoder = decoder + (present(target).sum(1) if name == "text" else target.mask.sum(1))
    return list(zip(encoder.tolist(), decoder.tolist(), strict=True))
