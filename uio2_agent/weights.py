"""Weight files: safetensors and torch pickles, whole or in shards, mapped into memory and never executed.

Unusual: tensors are views of the mapped file, private to this process: a page is read when it is touched, and
a write to a weight never reaches the file. `stream` maps the file anew every so often, so that going through
a file of any size keeps little of it in memory. Files that are written here carry their checksum and are
compared with it whenever they are mapped whole. It knows no model.
"""

import json
import math
import pickle
import re
import warnings
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from uio2_agent.errors import CheckpointError
from uio2_agent.fields import shown
from uio2_agent.files import new_file
from uio2_agent.formats.filetype import mistaken_for
from uio2_agent.formats.json_file import read_object

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
FORMS = (SAFETENSORS, f"{SAFETENSORS}.index.json", PICKLE, f"{PICKLE}.index.json")
"""What a directory may hold, in the order in which it is looked for."""

_CHECKSUM = "crc32"
_UNCHECKED = "00000000"
"""What stands for the checksum while it is computed, of the whole file."""
_BLOCK = 2**20
_LEAST_REMAP = 32 * 2**20
_ALIGNMENT = 64
_LISTED, _LONGEST = 6, 150
_READ_WHOLE = 64 * 2**20
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


def read_notes(path: Path) -> dict[str, str]:
    """Return the texts that a weight file carries beside its tensors; none in a pickle."""
    if path.suffix != ".safetensors":
        return {}
    with _opened(path) as file:
        return dict(file.metadata() or {})


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
    if bare := [name for name, value in loaded.items() if value.layout != torch.strided or value.is_meta]:
        raise CheckpointError(f"{path} holds {_cut(bare)} as sparse or meta tensors: write plain ones")
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


def check_finite(weights: Mapping[str, Tensor], where: Path | str) -> None:
    """Raise CheckpointError, listing names, where weights hold NaN or infinity.

    Up to 64 MB everything is looked at, which reads it once. Of more only vectors and the
    first and last of what a tensor's first dimension counts, so that loading need not read what it maps: a
    training that diverges leaves NaN in all its weights.
    """
    whole = sum(value.nbytes for value in weights.values()) <= _READ_WHOLE

    def finite(value: Tensor) -> bool:
        parts = [value] if whole or value.dim() < 2 or not value.numel() else [value[0], value[-1]]
        return all(bool(bound.isfinite()) for part in parts if part.numel() for bound in part.aminmax())

    if broken := [name for name, value in weights.items() if not finite(value)]:
        raise CheckpointError(
            f"{where} holds NaN or infinity in {_cut(broken)}: its training diverged, take an earlier one"
        )


def write_safetensors(
    path: Path,
    layout: Mapping[str, Tensor],
    values: Callable[[Sequence[str]], Iterable[tuple[str, Tensor]]],
    progress: Callable[[int], None] | None = None,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a safetensors file tensor by tensor; it appears whole or not at all.

    Arguments:
        layout: shapes and dtypes by name; meta tensors will do.
        values: given names in the order of the file, yields each with its numbers, in any dtype.
        progress: called with the bytes of each tensor written.
        notes: texts that the file carries beside its tensors, read by `read_notes`.
    """
    # Large elements first, odd lengths last: every tensor starts aligned to its element, most to 64 bytes.
    names = sorted(layout, key=lambda name: (-layout[name].itemsize, layout[name].nbytes % _ALIGNMENT > 0))
    header: dict[str, Any] = {"__metadata__": {"format": "pt", _CHECKSUM: _UNCHECKED, **notes}}
    end = 0
    for name in names:
        start, end = end, end + layout[name].nbytes
        kind = _DTYPES[layout[name].dtype]
        header[name] = {"dtype": kind, "shape": list(layout[name].shape), "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-(8 + len(head)) % _ALIGNMENT)
    head = len(head).to_bytes(8, "little") + head
    checksum = zlib.crc32(head)
    with new_file(path) as file:
        file.write(head)
        for name, value in values(names):
            plain = value.detach().to("cpu", layout[name].dtype).contiguous()
            content = plain.reshape(-1).view(torch.uint8).numpy().data
            file.write(content)
            checksum = zlib.crc32(content, checksum)
            if progress is not None:
                progress(plain.nbytes)
        file.overwrite(head.index(_said(_UNCHECKED)), _said(f"{checksum:08x}"))


def _said(checksum: str) -> bytes:
    """Return how a checksum stands in a header."""
    return f'"{_CHECKSUM}":"{checksum}"'.encode()


def _check_sum(path: Path, said: str) -> None:
    """Raise CheckpointError unless a file has the checksum that its header says."""
    with path.open("rb") as file:
        start = file.read(8)
        head = file.read(int.from_bytes(start, "little"))
        found = zlib.crc32(head.replace(_said(said), _said(_UNCHECKED), 1), zlib.crc32(start))
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    if f"{found:08x}" != said:
        raise CheckpointError(
            f"{path} is damaged (its checksum is '{found:08x}', not {shown(said)}): copy or write it again"
        )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; CheckpointError, naming it, for whatever is wrong with it."""
    from safetensors import SafetensorError, safe_open

    _require(path)
    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(_damaged(path, error)) from error


def _map_safetensors(path: Path, only: Collection[str] | None) -> dict[str, Tensor]:
    with _opened(path) as file:
        if only is None and (said := (file.metadata() or {}).get(_CHECKSUM)) is not None:
            _check_sum(path, said)
        names = file.keys() if only is None else set(only) & set(file.keys())
        return {name: file.get_tensor(name) for name in names}


def _shards(index: Path) -> list[Path]:
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise CheckpointError(f"{index} is no index of shards: its weight_map names a file for each tensor")
    names = sorted(set(places.values()))
    if not names:
        raise CheckpointError(f"{index} names no shards: copy or write it again")
    if outside := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{index} names {_cut(outside)}: shards must lie beside their index")
    here = {path.name for path in index.parent.iterdir() if path.is_file()}
    if absent := [name for name in names if name not in here]:
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
    plain = (name if name.isprintable() and len(name) < _LONGEST else shown(name) for name in names[:_LISTED])
    return ", ".join(plain) + more
