"""A target tokenizer in a file of its own: the weights, and the shape as a note beside them.

So one tokenizer serves several models. Its picture size may be another than the model's: a VQGAN draws any
size that its patches divide.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.fields import build
from uio2_agent.formats.json_file import parse_object
from uio2_agent.formats.packaged import PACKAGED
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN
from uio2_agent.weights import check_finite, check_fit, map_weights, read_notes, write_safetensors

Tokenizer = VQGAN | ViTVQGAN
_KINDS: Mapping[str, tuple[type, type]] = {
    "image": (VQGAN, VQGANConfig),
    "audio": (ViTVQGAN, ViTVQGANConfig),
}
_NOTE = "tokenizer"


def tokenizer_file(directory: Path, target: str) -> Path:
    """Return where a directory holds the tokenizer of "image" or "audio"."""
    return directory / f"{target}_tokenizer.safetensors"


def save_tokenizer(tokenizer: Tokenizer, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write a tokenizer's file; `dtype` stores its weights in another precision."""
    weights = tokenizer.state_dict()
    layout = {name: value.to("meta", dtype or value.dtype) for name, value in weights.items()}
    target = next(name for name, (network, _) in _KINDS.items() if isinstance(tokenizer, network))
    shape = json.dumps({target: dataclasses.asdict(tokenizer.config)})
    write_safetensors(
        path, layout, lambda names: ((name, weights[name]) for name in names), notes={_NOTE: shape}
    )


def load_tokenizer(path: Path, target: str) -> Tokenizer:
    """Return the tokenizer of "image" or "audio" in a file, float32.

    Raises CheckpointError for a file that is missing, damaged, or holds none of that kind.
    """
    network, shape = _KINDS[target]
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: `uio2 train-tokenizer {target}` writes one")
    noted = parse_object(read_notes(path).get(_NOTE, "{}").encode(), f"the note of {path}")
    if target not in noted:
        raise CheckpointError(
            f"{path} holds no tokenizer of {target}s: `uio2 train-tokenizer {target}` writes one"
        )
    try:
        tokenizer = network(build(shape, noted[target], f"the note of {path}"))
    except UIO2Error as error:
        raise CheckpointError(str(error)) from error
    weights = map_weights([path])
    check_fit(tokenizer.state_dict(), weights, path)
    check_finite(weights, path)
    tokenizer.load_state_dict({name: value.float() for name, value in weights.items()})
    return tokenizer


def packaged_tokenizer(target: str, config: Any) -> Tokenizer | None:
    """Return the tokenizer that ships, if its network is of a configuration's shape; its picture may have
    another size.
    """
    path = tokenizer_file(PACKAGED, target)
    if not path.is_file():
        return None
    tokenizer = load_tokenizer(path, target)
    if isinstance(config, VQGANConfig):
        alike = dataclasses.replace(tokenizer.config, image_size=config.image_size) == config
    else:
        alike = tokenizer.config == config
    return tokenizer if alike else None
