"""The parts of a model directory, ours (config.json, weights, tokenizer.model) or official: found and read.

Unusual: a network takes the tensors of the mapped file as they are, so filling it reads nothing that is not
used and holds nothing twice. Weights may be stored in half precision and come back in float32. Nothing is
ever executed. Every mismatch is listed by name before anything is loaded.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.files import replace_file
from uio2_agent.formats.official_names import official_names
from uio2_agent.formats.packaged import config_file
from uio2_agent.model import Network
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.weights import check_fit, map_weights, stream

TOKENIZER = "tokenizer.model"
_FROZEN = ("image_encoder.", "audio_encoder.", "targets.image.tokenizer.", "targets.audio.tokenizer.")


def load_official_weights(model: Network, weights: Mapping[str, Tensor]) -> None:
    """Copy a state dict with official names into a model; none may be missing and none left over."""
    check_stored(model, weights, True, "the official state dict")
    names = stored_names(model, True)
    with torch.no_grad():
        for name, value in model_weights(model).items():
            value.copy_(weights[names[name]])


def model_weights(model: Network) -> dict[str, Tensor]:
    """Return the weights of the model by name, without those of the vocoder, which is a model of its own."""
    return {
        name: value.detach() for name, value in model.state_dict().items() if not name.startswith("vocoder.")
    }


def stored_names(model: Network, official: bool) -> dict[str, str]:
    """Return the names of a model's weights in a file of ours, or of the official format, by ours."""
    weights = model_weights(model)
    return official_names(model.config, weights) if official else {name: name for name in weights}


def check_stored(model: Network, stored: Mapping[str, Tensor], official: bool, where: Path | str) -> None:
    """Raise CheckpointError, listing names as they are stored, unless a file holds the model's weights."""
    names = stored_names(model, official)
    check_fit({names[name]: value for name, value in model_weights(model).items()}, stored, where)


def precision(name: str, stored: torch.dtype, dtype: torch.dtype | None) -> torch.dtype:
    """Return the precision one of our weights takes, by the rule that `UnifiedIO2.from_pretrained` states."""
    if dtype is not None:
        return torch.float32 if name.startswith(_FROZEN) else dtype
    return stored if stored in (torch.float32, torch.bfloat16) else torch.float32


def read_config(directory: Path) -> tuple[UnifiedIO2Config, bool]:
    """Return the configuration of a directory, and whether it is an official one."""
    path = config_file(directory)
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}): copy or write it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} holds a {type(values).__name__}, not the fields of a model")
    official = "t5_config" in values
    read = UnifiedIO2Config.from_official if official else UnifiedIO2Config.from_dict
    try:
        return read(values), official
    except UIO2Error as error:
        raise CheckpointError(f"{path}: {error}") from error


def read_tokenizer(
    directory: Path, config: UnifiedIO2Config, official: bool, tokenizer: str | Path | None
) -> TextTokenizer | None:
    """Return the tokenizer asked for, or that of the directory if it has one.

    Raises UIO2Error if the model cannot use it.
    """
    path = directory / TOKENIZER if tokenizer is None else tokenizer
    if tokenizer is None and not path.is_file():
        return None
    text = TextTokenizer(path)
    if official or tokenizer is not None:
        text.check_fit(config.text_rows)
    return text


def copy_tokenizer(tokenizer: TextTokenizer, directory: Path) -> None:
    """Put the file of a tokenizer into a model directory, unless it lies there."""
    if tokenizer.path.resolve() != (directory / TOKENIZER).resolve():
        replace_file(directory / TOKENIZER, tokenizer.model)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write one JSON file of a model directory."""
    replace_file(path, json.dumps(values, indent=1) + "\n")


def fill(
    model: Network,
    files: Sequence[Path],
    official: bool,
    dtype: torch.dtype | None,
    device: torch.device,
) -> None:
    """Give a network built on the meta device the weights of files."""
    stored = map_weights(files)
    check_stored(model, stored, official, files[0].parent if len(files) > 1 else files[0])
    ours = {name: own for own, name in stored_names(model, official).items()}
    wanted = {name: precision(ours[name], value.dtype, dtype) for name, value in stored.items()}
    moves = {
        name: value.nbytes
        for name, value in stored.items()
        if value.dtype != wanted[name] or device.type != "cpu"
    }  # these are copied, and the pages they are copied from given back; the others stay mapped
    weights = {ours[name]: value.contiguous() for name, value in stored.items() if name not in moves}
    for name, value in stream(files, moves):
        weights[ours[name]] = value.to(device, wanted[name], memory_format=torch.contiguous_format)
    model.load_state_dict(weights, assign=True)
