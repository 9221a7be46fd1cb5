"""Where a run starts from: a fresh preset, the weights of a checkpoint, or these under adapters; and which
target tokenizers and parts of another model it takes along.

Unusual: a fresh model's location rows are not independent noise but sines and cosines of the bin, so that
neighbouring bins look alike from the first step (a location is a number).
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import torch

from policies import embodiments
from policies.style import PromptStyle, load_styles
from pretrain.errors import TrainingError
from uio2_agent.config import FIRST_CODE, UnifiedIO2Config
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.inputs.processor import Processor
from uio2_agent.presets import PRESETS
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import LOCATIONS
from uio2_agent.tokenizers.storing import Tokenizer, load_tokenizer, packaged_tokenizer
from uio2_agent.unified_io2 import UnifiedIO2

_TABLE_ROWS = 128
"""Tables have a multiple of so many rows."""


def start_model(
    name: str,
    trained: bool = False,
    dtype: torch.dtype = torch.float32,
    *,
    inherit: str | None = None,
    tokenizers: Mapping[str, str | None] | None = None,
) -> tuple[UnifiedIO2, dict[str, PromptStyle]]:
    """Return a model with its processor, and the styles of its requests by embodiment, where it has learned
    any.

    `name`: "nano" and the other presets are fresh models with the packaged small tokenizer; anything else is
    loaded. A checkpoint directory of the same name as a preset must be given as a path (`./nano`). With
    `trained` nothing is fresh: "nano" is the packaged model then. `dtype` is that of a loaded transformer.

    `inherit` names a trained model whose weights a fresh one takes where name and shape are the same, with
    its styles if both see pictures of one size; `tokenizers` the files of target tokenizers ("image",
    "audio"). A fresh model without such a file takes the one that ships, if it is of its shape.

    Raises TrainingError for a model or tokenizer that does not fit.
    """
    files = {target: Path(path) for target, path in (tokenizers or {}).items() if path is not None}
    given = {target: load_tokenizer(path, target) for target, path in files.items()}
    if name not in PRESETS or trained:
        model = UnifiedIO2.from_pretrained(name, dtype=dtype)
        if inherit is not None:
            raise TrainingError(f"inherit={inherit} is for fresh weights, and model={name} is trained")
        for target, tokenizer in given.items():
            if getattr(model.config, f"{target}_tokenizer") != tokenizer.config:
                raise TrainingError(f"{files[target]} is no tokenizer of the shape that model={name} has")
            _take(model, target, tokenizer)
        return model, load_styles(checkpoint_directory(name), unnamed=embodiments.DEFAULT)
    config = UnifiedIO2Config.preset(name)
    for target, tokenizer in given.items():
        config = _fitted(config, target, tokenizer, name)
    model = UnifiedIO2(config)
    model.processor = Processor(config, TextTokenizer.packaged())
    smooth_locations(model)
    for target in config.target_modalities[1:] if config.target_modalities[0] == "text" else ():
        shape = getattr(config, f"{target}_tokenizer")
        if (tokenizer := given.get(target) or packaged_tokenizer(target, shape)) is not None:
            _take(model, target, tokenizer)
    return model, {} if inherit is None else _inherited(model, inherit)


def beginning(name: str, trained: bool = False, inherit: str | None = None) -> str:
    """Say in words what `start_model` starts from: a preset that is also the name of a trained model is
    easily taken for it.
    """
    if name not in PRESETS or trained:
        return f"the weights of {name}"
    if inherit is not None:
        return f"a fresh {name} with the weights of {inherit}"
    return f"a fresh {name}; inherit= gives it the weights of a trained model"


def _fitted(config: UnifiedIO2Config, target: str, tokenizer: Tokenizer, name: str) -> UnifiedIO2Config:
    if target not in config.target_modalities:
        raise TrainingError(f"{target}_tokenizer= is given, and model={name} does not answer with {target}s")
    rows = -(-(tokenizer.config.codes + FIRST_CODE) // _TABLE_ROWS) * _TABLE_ROWS
    return dataclasses.replace(
        config,
        **{
            f"{target}_tokenizer": tokenizer.config,
            f"{target}_rows": rows,
            f"{target}_target_length": math.prod(tokenizer.config.grid),
        },
    )


def _take(model: UnifiedIO2, target: str, tokenizer: Tokenizer) -> None:
    model.targets[target].tokenizer.load_state_dict(tokenizer.state_dict())


def _inherited(model: UnifiedIO2, name: str) -> dict[str, PromptStyle]:
    """Take over what fits of another model's weights; return its styles, which are made for pictures of its
    size.
    """
    other = UnifiedIO2.from_pretrained(name)
    mine, theirs = (part.processor.tokenizer.vocabulary.hash() for part in (model, other))
    if mine != theirs:
        raise TrainingError(f"inherit={name} has another text tokenizer than the fresh model: train anew")
    own = model.state_dict()
    taken = {
        key: value
        for key, value in other.state_dict().items()
        if key in own and own[key].shape == value.shape and ".tokenizer." not in key
    }
    if not taken:
        raise TrainingError(f"inherit={name} has nothing of the fresh model's shape: name another")
    model.load_state_dict({**own, **taken})
    sizes = [(part.config.image_size, part.config.history_size) for part in (model, other)]
    if sizes[0] != sizes[1]:
        return {}
    return load_styles(checkpoint_directory(name), unnamed=embodiments.DEFAULT)


def smooth_locations(model: UnifiedIO2) -> None:
    """Set the location rows of the text table to unit-variance waves of the bin, 0.3 to 16 periods over the
    range.

    Faster waves would be noise to a model that cannot yet tell bins apart that closely.
    """
    vocabulary = model.processor.tokenizer.vocabulary
    width = model.config.width
    bins = torch.arange(LOCATIONS, dtype=torch.float32)[:, None] / LOCATIONS
    waves = torch.logspace(math.log10(0.3), math.log10(16), width // 2) * 2 * math.pi
    rows = torch.cat([(bins * waves).sin(), (bins * waves).cos()], -1) * math.sqrt(2)  # [1000, D]
    with torch.no_grad():
        model.text_table.weight[torch.from_numpy(vocabulary.location_ids.copy())] = rows
