"""Model directories: ours (config.json, weights, tokenizer.model) and official ones, loaded and saved.

Unusual: a model is built without numbers and takes those of the mapped file, so loading reads nothing that is
not used and holds nothing twice. Weights may be stored in half precision and come back in float32. Nothing is
ever executed. Every mismatch is listed by name before anything is loaded.
"""

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.official import official_names
from uio2_agent.inputs.processor import Processor
from uio2_agent.model import UnifiedIO2
from uio2_agent.text.tokenizer import NEEDED, TextTokenizer
from uio2_agent.tokenizers.vocoder import WEIGHTS as VOCODER
from uio2_agent.tokenizers.vocoder import Vocoder
from uio2_agent.weights import (
    SAFETENSORS,
    check_fit,
    map_weights,
    stream,
    weight_files,
    write_safetensors,
)

PACKAGED = Path(__file__).parents[1] / "checkpoints"
CONFIG, TOKENIZER = "config.json", "tokenizer.model"
_FROZEN = ("image_encoder.", "audio_encoder.", "targets.image.tokenizer.", "targets.audio.tokenizer.")


def checkpoint_directory(name_or_dir: str | Path) -> Path:
    """Return the directory of a packaged model by name, or the directory given."""
    packaged = sorted(path.parent.name for path in PACKAGED.glob(f"*/{CONFIG}"))
    if str(name_or_dir) in packaged:
        return PACKAGED / str(name_or_dir)
    directory = Path(name_or_dir)
    if not directory.is_dir():
        known = ", ".join(packaged) or "none"
        raise CheckpointError(
            f"no model {str(name_or_dir)!r}: it is neither a directory nor a packaged name ({known})"
        )
    return directory


def load(
    name_or_dir: str | Path,
    *,
    tokenizer: str | Path | None = None,
    processor: bool = True,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
) -> UnifiedIO2:
    """Load a model, with its processor and its vocoder if there is one, ready to generate.

    On the CPU, weights that keep their stored precision are views of the file: private, writable, read
    when they are used. The file must not be written over in place meanwhile (`save` replaces it instead).

    Arguments
        name_or_dir: packaged name, a directory written by `save`, or an official one (`config.json` and
            `pytorch_model.bin` or `model.safetensors`, whole or in shards).
        tokenizer: another sentencepiece file than the `tokenizer.model` of the directory. Official
            directories come without; a model without one takes batches only, which a warning says.
        processor: False loads the weights alone.
        dtype: precision of the transformer; ViTs and target tokenizers are then float32, as in the official
            half-precision releases. By default float32 and bfloat16 weights stay what they are and float16,
            which is for storage, becomes float32.
        device: where the weights go.

    Raises CheckpointError if a file is missing, cut short, holds code, or has other tensors than config.json
    says; UIO2Error if the tokenizer is not the one such a model needs.
    """
    directory = checkpoint_directory(name_or_dir)
    config, official = read_config(directory)
    text = read_tokenizer(directory, config, official, tokenizer) if processor else None
    if processor and text is None:
        warnings.warn(
            f"{directory} holds no {TOKENIZER}: the model takes batches but no requests until it has one "
            f"(tokenizer=PATH, or put it there); {NEEDED if official else 'copy it from where it was made'}",
            stacklevel=3,
        )
    files = weight_files(directory)
    with torch.device("meta"):
        model = UnifiedIO2(config)
    _fill(model, files, official, dtype, torch.device(device))
    if text is not None:
        model.processor = Processor(config, text)
    if (directory / VOCODER).is_file():
        model.vocoder = Vocoder.from_pretrained(directory).to(device)
    return model.eval()


def save(model: UnifiedIO2, directory: str | Path, *, dtype: torch.dtype | None = None) -> Path:
    """Write the model, and its tokenizer and vocoder if it has them; `dtype` stores all weights in another
    precision.
    """
    if model.is_packed:
        raise CheckpointError("a packed model holds no weights to save: load it again, and save it unpacked")
    directory = Path(directory)
    weights = model_weights(model)
    layout = {name: value.to("meta", dtype or value.dtype) for name, value in weights.items()}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_safetensors(
            directory / SAFETENSORS, layout, lambda names: ((name, weights[name]) for name in names)
        )
        write_json(directory / CONFIG, model.config.to_dict())
        if model.processor is not None:
            copy_tokenizer(model.processor.tokenizer, directory)
        if model.vocoder is not None:
            model.vocoder.save_pretrained(directory)
    except OSError as error:
        raise CheckpointError(f"cannot write the model to {directory}: {error}") from error
    return directory


def load_official_weights(model: UnifiedIO2, weights: Mapping[str, Tensor]) -> None:
    """Copy a state dict with official names into a model; none may be missing and none left over."""
    check_stored(model, weights, True, "the official state dict")
    names = stored_names(model, True)
    with torch.no_grad():
        for name, value in model_weights(model).items():
            value.copy_(weights[names[name]])


def model_weights(model: UnifiedIO2) -> dict[str, Tensor]:
    """Return the weights of the model by name, without those of the vocoder, which is a model of its own."""
    return {
        name: value.detach() for name, value in model.state_dict().items() if not name.startswith("vocoder.")
    }


def stored_names(model: UnifiedIO2, official: bool) -> dict[str, str]:
    """Return the names of a model's weights in a file of ours, or of the official format, by ours."""
    weights = model_weights(model)
    return official_names(model.config, weights) if official else {name: name for name in weights}


def check_stored(model: UnifiedIO2, stored: Mapping[str, Tensor], official: bool, where: Path | str) -> None:
    """Raise CheckpointError, listing names as they are stored, unless a file holds the model's weights."""
    names = stored_names(model, official)
    check_fit({names[name]: value for name, value in model_weights(model).items()}, stored, where)


def precision(name: str, stored: torch.dtype, dtype: torch.dtype | None) -> torch.dtype:
    """Return the precision one of our weights takes, by the rule that `load` states."""
    if dtype is not None:
        return torch.float32 if name.startswith(_FROZEN) else dtype
    return stored if stored in (torch.float32, torch.bfloat16) else torch.float32


def read_config(directory: Path) -> tuple[UnifiedIO2Config, bool]:
    """Return the configuration of a directory, and whether it is an official one."""
    path = directory / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: a model directory holds {CONFIG} and its weights")
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
    """Copy the file of a tokenizer into a model directory, unless it lies there."""
    if tokenizer.path.resolve() != (directory / TOKENIZER).resolve():
        shutil.copyfile(tokenizer.path, directory / TOKENIZER)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write one JSON file of a model directory."""
    path.write_text(json.dumps(values, indent=1) + "\n")


def _fill(
    model: UnifiedIO2,
    files: Sequence[Path],
    official: bool,
    dtype: torch.dtype | None,
    device: torch.device,
) -> None:
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
