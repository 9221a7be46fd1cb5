"""Model directories on disk: config.json, model.safetensors, tokenizer.model; and official weights into a
model.

Unusual: weights may be stored in half precision and come back in float32. Nothing is ever unpickled. Every
mismatch is named, tensor by tensor, before anything is loaded.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError
from uio2_agent.model import UnifiedIO2
from uio2_agent.official import name_from_official
from uio2_agent.processor import Processor
from uio2_agent.text import TextTokenizer

PACKAGED = Path(__file__).parent / "checkpoints"
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.model"


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


def load(name_or_dir: str | Path, *, tokenizer: str | Path | None = None) -> UnifiedIO2:
    """Load a model in float32 on the CPU, with its processor, ready to generate.

    Arguments
        name_or_dir: packaged name or a directory written by `save`.
        tokenizer: another sentencepiece file than the one in the directory.

    Raises CheckpointError if a file is missing, cut short or of another shape than config.json says.
    """
    directory = checkpoint_directory(name_or_dir)
    config = _read_config(directory / CONFIG)
    text = TextTokenizer(tokenizer or _required(directory / TOKENIZER))
    weights = read_weights(directory / WEIGHTS)
    model = UnifiedIO2(config)
    _assign(model, weights, str(directory / WEIGHTS))
    model.processor = Processor(config, text)
    return model.eval()


def save(model: UnifiedIO2, directory: str | Path, *, dtype: torch.dtype | None = None) -> Path:
    """Write the model and its tokenizer to a directory; `dtype` stores the weights in another precision."""
    from safetensors.torch import save_file

    if model.processor is None:
        raise CheckpointError("the model has no processor to save a tokenizer from: set model.processor")
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        weights = {
            name: value.detach().to("cpu", dtype or value.dtype).contiguous()
            for name, value in model.state_dict().items()
        }
        save_file(weights, directory / f"{WEIGHTS}.part")
        (directory / f"{WEIGHTS}.part").replace(directory / WEIGHTS)
        (directory / CONFIG).write_text(json.dumps(model.config.to_dict(), indent=1) + "\n")
        source = model.processor.tokenizer.path
        if source.resolve() != (directory / TOKENIZER).resolve():
            shutil.copyfile(source, directory / TOKENIZER)
    except OSError as error:
        raise CheckpointError(f"cannot write the model to {directory}: {error}") from error
    return directory


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; a missing or damaged one is one clear error."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(_required(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}): copy or write it again") from error


def load_official_weights(model: UnifiedIO2, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict with official names; none may be missing and none left over."""
    named = {name_from_official(name): value for name, value in weights.items()}
    _assign(model, named, "the official state dict")


def _assign(model: UnifiedIO2, weights: Mapping[str, Tensor], where: str) -> None:
    expected = model.state_dict()
    problems = [f"lacks {name}" for name in expected if name not in weights]
    problems += [f"has an unknown {name}" for name in weights if name not in expected]
    problems += [
        f"has {name} of shape {list(value.shape)} instead of {list(expected[name].shape)}"
        for name, value in weights.items()
        if name in expected and value.shape != expected[name].shape
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise CheckpointError(f"{where} {problems[0]}{more}: it was made for another configuration")
    model.load_state_dict(weights)


def _read_config(path: Path) -> UnifiedIO2Config:
    try:
        values = json.loads(_required(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not readable JSON ({error}): copy or write it again") from error
    return UnifiedIO2Config.from_dict(values)


def _required(path: Path) -> Path:
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing: a model directory holds {CONFIG}, {WEIGHTS} and {TOKENIZER}"
        )
    return path
