"""The parts of a model directory, ours (config.json, weights, tokenizer.model) or official: found and read.

Unusual: a network takes the tensors of the mapped file as they are, so filling it holds nothing twice, and
what a configuration asks for is bounded by the file before it is built. Weights may be stored in half
precision and come back in float32. Nothing is ever executed. Every mismatch is listed by name before
anything is loaded.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from uio2_agent.config import ADJUSTABLE, UnifiedIO2Config
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.fields import shown
from uio2_agent.files import replace_file
from uio2_agent.formats.json_file import parse_object, read_object
from uio2_agent.formats.official_names import official_names
from uio2_agent.formats.packaged import CONFIG, config_file
from uio2_agent.model import Network
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.weights import check_finite, check_fit, map_weights, read_notes, stream, weight_files

Built = TypeVar("Built", bound=Network)

TOKENIZER = "tokenizer.model"
_NOTE = "config"
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
    values = read_object(path)
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

    Raises UIO2Error if it is not the one that the model was made with, as far as the configuration says, or
    if the model cannot use it.
    """
    path = directory / TOKENIZER if tokenizer is None else tokenizer
    if tokenizer is None and not path.is_file():
        return None
    text = TextTokenizer(path)
    if official or tokenizer is not None:
        text.check_fit(config.text_rows)
    text.check_hash(config.tokenizer)
    return text


def config_values(config: UnifiedIO2Config, tokenizer: TextTokenizer | None) -> dict[str, Any]:
    """Return what config.json says of a model: its configuration, and which tokenizer lies beside it."""
    values = config.to_dict()
    return values if tokenizer is None else values | {"tokenizer": tokenizer.vocabulary.hash()}


def copy_tokenizer(tokenizer: TextTokenizer, directory: Path) -> None:
    """Put the file of a tokenizer into a model directory, unless it lies there."""
    if tokenizer.path.resolve() != (directory / TOKENIZER).resolve():
        replace_file(directory / TOKENIZER, tokenizer.model)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write one JSON file of a model directory."""
    replace_file(path, json.dumps(values, indent=1) + "\n")


def open_weights(
    directory: Path, config: UnifiedIO2Config, official: bool
) -> tuple[list[Path], dict[str, Tensor]]:
    """Return the weight files of a directory, and their tensors, mapped.

    Raises CheckpointError if they are not whole, or were written with another configuration.
    """
    files = weight_files(directory)
    stored = map_weights(files)
    for path in () if official else files:
        if (noted := read_notes(path).get(_NOTE)) is None:
            continue
        try:
            there = UnifiedIO2Config.from_dict(parse_object(noted.encode(), "its note"))
        except UIO2Error as error:
            raise CheckpointError(
                f"{path} notes no configuration ({error}): copy or write it again"
            ) from None
        for name in (name for name in config.to_dict() if name not in ADJUSTABLE):
            if (here := getattr(config, name)) != (written := getattr(there, name)):
                raise CheckpointError(
                    f"{directory / CONFIG} says {name}={shown(here)}, and {path.name} was written with "
                    f"{shown(written)}: put the files of one model together"
                )
    return files, stored


def notes(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a weight file notes of config.json, so that files of two models are told apart."""
    return {_NOTE: json.dumps(values, separators=(",", ":"))}


def empty_network(
    kind: type[Built], config: UnifiedIO2Config, stored: Mapping[str, Tensor], official: bool, where: Path
) -> Built:
    """Build a network on the meta device for stored weights; CheckpointError unless they are its own, finite.

    Each layer has weights of its own, so the file bounds what a configuration can ask to be built.
    """
    if (layers := config.total_layers) > len(stored):
        raise CheckpointError(
            f"{where} holds {len(stored)} tensors, and {CONFIG} asks for {layers} layers: it is not whole, "
            "or of another model"
        )
    with torch.device("meta"):
        model = kind(config)
    check_stored(model, stored, official, where)
    check_finite(stored, where)
    return model


def fill(
    model: Network,
    files: Sequence[Path],
    stored: Mapping[str, Tensor],
    official: bool,
    dtype: torch.dtype | None,
    device: torch.device,
) -> None:
    """Give a network built on the meta device the weights of files, mapped as `stored`."""
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
