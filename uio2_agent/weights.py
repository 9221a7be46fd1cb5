"""Weight files: safetensors and torch pickles, whole or in shards, mapped into memory and never executed.

Unusual: opening reads no numbers. Tensors are views of the mapped file, private to this process: a page is
read when it is touched, and a write to a weight never reaches the file. `stream` maps the file anew every so
often, so that going through a file of any size keeps little of it in memory. It knows no model.
"""

import json
import math
import pickle
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uio2_agent.errors import CheckpointError
from uio2_agent.files import new_file
from uio2_agent.formats.filetype import mistaken_for

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
FORMS = (SAFETENSORS, f"{SAFETENSORS}.index.json", PICKLE, f"{PICKLE}.index.json")
"""What a directory may hold, in the order in which it is looked for."""

_LEAST_REMAP = 32 * 2**20
_ALIGNMENT = 64
_LISTED = 6
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}


def weight_files(directory: Path) -> list[Path]:
    """Return the one weight file of a directory, or all its shards.

    Raises CheckpointError if there is none, or if an index is unreadable or names a shard that is absent.
    """
    for name in FORMS:
        if (path := directory / name).is_file():
            return _shards(path) if name.endswith(".json") else [path]
    raise CheckpointError(
        f"{directory / SAFETENSORS} is missing: a model directory holds {SAFETENSORS} or {PICKLE}, whole or "
        "in shards with their index"
    )


def map_weights(files: Iterable[Path], only: Collection[str] | None = None) -> dict[str, Tensor]:
    """Map the tensors of weight files by name, all or only some; numbers are read when they are used.

    Raises CheckpointError, naming the file, if it is damaged, of another kind, or holds code.
    """
    weights: dict[str, Tensor] = {}
    for path in files:
        if path.suffix == ".safetensors":
            part = _map_safetensors(path, only)
        else:
            part = named_tensors(read_pickle(path), path)
            part = part if only is None else {name: part[name] for name in part.keys() & set(only)}
        if twice := sorted(weights.keys() & part.keys()):
            raise CheckpointError(f"{path} holds {_cut(twice)} once more: shards must not overlap")
        weights |= part
    return weights


def stream(files: Sequence[Path], sizes: Mapping[str, int]) -> Iterator[tuple[str, Tensor]]:
    """Yield mapped tensors, with their names, in the order of `sizes` (bytes by name).

    A tensor is mapped until the next one is asked for: take a copy of it, not the tensor.
    """
    limit = max(_LEAST_REMAP, sum(sizes.values()) // 32) if all(map(_is_mappable, files)) else math.inf
    groups: list[list[str]] = []
    filled = 0
    for name, size in sizes.items():
        if not groups or filled > limit:
            groups.append([])
            filled = 0
        groups[-1].append(name)
        filled += size
    for group in groups:
        mapped = map_weights(files, group)
        for name in group:
            yield name, mapped.pop(name)


def read_pickle(path: Path) -> Any:
    """Read a torch pickle through the weights-only loader, mapped where its format allows it."""
    _require(path)
    try:
        with warnings.catch_warnings():  # of pickle protocols, which the error says better
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=_is_mappable(path))
    except Exception as error:  # bytes of a stranger: the unpickler fails in every way there is
        if (code := re.search(r"GLOBAL ([\w.]+)", str(error))) is not None:
            raise CheckpointError(
                f"{path} is refused: it holds code ({code[1]}) and not only weights. Nothing of it was run; "
                "get the weights from elsewhere"
            ) from None
        raise CheckpointError(_damaged(path, error)) from error


def named_tensors(loaded: Any, path: Path) -> dict[str, Tensor]:
    """Return what a file held, if that is tensors by their names; CheckpointError says what else it is."""
    if not isinstance(loaded, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(loaded).__name__}, not a state dict of names and tensors"
        )
    other = [str(name) for name, value in loaded.items() if not isinstance(value, Tensor)]
    if other := other + [str(name) for name in loaded if not isinstance(name, str)]:
        raise CheckpointError(f"{path} is no plain state dict: {_cut(other)} must be a name with a tensor")
    return dict(loaded)


def check_fit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], where: Path | str) -> None:
    """Raise CheckpointError, listing names, unless both hold the same names and shapes, found as floats."""
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    both = [name for name in expected if name in found]
    misshapen = [
        f"{name} is {list(found[name].shape)} instead of {list(expected[name].shape)}"
        for name in both
        if found[name].shape != expected[name].shape
    ]
    mistyped = [f"{name} is {found[name].dtype}" for name in both if found[name].dtype not in _DTYPES]
    kinds = {
        "lacks": missing,
        "has unknown": unknown,
        "has tensors of another shape:": misshapen,
        "has tensors that are no floats:": mistyped,
    }
    problems = [f"{verb} {_cut(names)}" for verb, names in kinds.items() if names]
    if problems:
        raise CheckpointError(f"{where} {'; '.join(problems)}: it is not whole, or of another model")


def write_safetensors(
    path: Path,
    layout: Mapping[str, Tensor],
    values: Callable[[Sequence[str]], Iterable[tuple[str, Tensor]]],
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a safetensors file tensor by tensor; it appears whole or not at all.

    Arguments
        layout: shapes and dtypes by name; meta tensors will do.
        values: given names in the order of the file, yields each with its numbers, in any dtype.
        progress: called with the bytes of each tensor written.
    """
    # Large elements first, odd lengths last: every tensor starts aligned to its element, most to 64 bytes.
    names = sorted(layout, key=lambda name: (-layout[name].itemsize, layout[name].nbytes % _ALIGNMENT > 0))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + layout[name].nbytes
        kind = _DTYPES[layout[name].dtype]
        header[name] = {"dtype": kind, "shape": list(layout[name].shape), "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-(8 + len(head)) % _ALIGNMENT)
    with new_file(path) as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name, value in values(names):
            plain = value.detach().to("cpu", layout[name].dtype).contiguous()
            file.write(plain.reshape(-1).view(torch.uint8).numpy().data)
            if progress is not None:
                progress(plain.nbytes)


def _map_safetensors(path: Path, only: Collection[str] | None) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    _require(path)
    try:
        with safe_open(path, "pt") as file:
            names = file.keys() if only is None else set(only) & set(file.keys())
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(_damaged(path, error)) from error


def _shards(index: Path) -> list[Path]:
    try:
        places = json.loads(index.read_text())["weight_map"]
        names = sorted(set(map(str, places.values())))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of shards ({error}): copy or write it again") from error
    if not names:
        raise CheckpointError(f"{index} names no shards: copy or write it again")
    if outside := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{index} names {_cut(outside)}: shards must lie beside their index")
    if absent := [name for name in names if not (index.parent / name).is_file()]:
        raise CheckpointError(f"{index} names shards that are missing: {_cut(absent)}")
    return [index.parent / name for name in names]


def _require(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: give the path of a file of weights")
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is damaged or cut short (it is empty): copy or write it again")
    if (mistake := mistaken_for(path)) is not None:
        raise CheckpointError(f"{path} {mistake}; weights are needed")


def _is_mappable(path: Path) -> bool:
    """Return whether a file can be mapped: pickles of old are no zip archives and are read whole."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(2) == b"PK"


def _damaged(path: Path, error: Exception) -> str:
    text = " ".join(str(error).split())
    if "Cannot allocate memory" in text:
        size = f"{path.stat().st_size / 1e9:.1f} GB"
        return f"{path} holds {size}, more than fits this machine: take bfloat16 weights or more memory"
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in text:  # torch advises to run its code
        text = "not a pickle of plain weights; nothing of it was run"
    return f"{path} is damaged or cut short ({text[:120] or type(error).__name__}): copy or write it again"


def _cut(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
