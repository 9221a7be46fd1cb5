"""Model directories rewritten: official to ours, ours to official, in the same or another precision.

Unusual: weights go from the mapped file to the new one tensor by tensor, bit for bit unless a precision is
asked for, so the largest model needs no memory for a copy. Everything is checked before anything is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from uio2_agent.errors import CheckpointError
from uio2_agent.files import NewFile, new_file, replace_file
from uio2_agent.formats.checkpoint import (
    config_values,
    copy_tokenizer,
    empty_network,
    notes,
    open_weights,
    precision,
    read_config,
    read_tokenizer,
    stored_names,
    write_json,
)
from uio2_agent.formats.packaged import CONFIG, checkpoint_directory
from uio2_agent.model import Network
from uio2_agent.tokenizers.vocoder import WEIGHTS as VOCODER
from uio2_agent.tokenizers.vocoder import Vocoder
from uio2_agent.weights import (
    FORMS,
    PICKLE,
    SAFETENSORS,
    stream,
    write_safetensors,
)

Progress = Callable[[int, int], None]
"""Called with the bytes written and those to write."""


def convert(
    source: str | Path,
    output: str | Path,
    *,
    official: bool = False,
    safetensors: bool = False,
    dtype: torch.dtype | None = None,
    tokenizer: str | Path | None = None,
    vocoder: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the model of one directory into another; returns the latter.

    Arguments:
        source: packaged name, or a directory of ours or the official format.
        output: a directory without a model of another form in it.
        official: write the official format: `pytorch_model.bin`, nested `config.json`,
            `preprocessor_config.json`.
        safetensors: with `official`, write `model.safetensors` instead of `pytorch_model.bin`.
        dtype: precision of the transformer, as `UnifiedIO2.from_pretrained` has it; by default all weights
            stay what they are.
        tokenizer: a `tokenizer.model` to put beside the weights; by default the source's, if it has one.
        vocoder: what `Vocoder.from_pretrained` reads, to put beside the weights; by default the source's.

    Raises CheckpointError if the source is not whole, has no official form, or the output cannot be written.
    """
    source, output = checkpoint_directory(source), Path(output)
    config, was_official = read_config(source)
    text = read_tokenizer(source, config, official or was_official, tokenizer)
    written = config.to_official() if official else config_values(config, text)
    sound = None
    if vocoder is not None or (source / VOCODER).is_file():
        sound = Vocoder.from_pretrained(source if vocoder is None else vocoder)
    form = PICKLE if official and not safetensors else SAFETENSORS
    _check_output(source, output, form)

    files, stored = open_weights(source, config, was_official)
    model = empty_network(Network, config, stored, was_official, source)
    before, after = stored_names(model, was_official), stored_names(model, official)
    old = {after[name]: before[name] for name in before}  # names in the source by names in the output
    layout = {}
    for name, new in after.items():
        value = stored[before[name]]
        layout[new] = value.to("meta", value.dtype if dtype is None else precision(name, value.dtype, dtype))

    def values(names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
        streamed = stream(files, {old[new]: stored[old[new]].nbytes for new in names})
        yield from ((new, value) for new, (_, value) in zip(names, streamed, strict=True))

    meter = _Meter(sum(value.nbytes for value in layout.values()), progress)
    try:
        output.mkdir(parents=True, exist_ok=True)
        if form == SAFETENSORS:
            noted = {} if official else notes(written)
            write_safetensors(output / form, layout, values, meter.add, noted)
        else:
            tensors = {new: stored[name] for new, name in old.items()}
            changed = [new for new, value in tensors.items() if value.dtype != layout[new].dtype]
            tensors |= {new: value.to(layout[new].dtype) for new, value in values(changed)}
            _write_pickle(output / form, tensors, meter)
        if not was_official:
            _carry_over(source, output)
        write_json(output / CONFIG, written)
        if official:
            preparation = {"config": written, "sequence_length": written["sequence_length"]}
            write_json(output / "preprocessor_config.json", preparation)
        if text is not None:
            copy_tokenizer(text, output)
        if sound is not None:
            sound.save_pretrained(output)
    except OSError as error:
        raise CheckpointError(f"cannot write the model to {output}: {error}") from error
    return output


class _Meter:
    """Adds up what is written."""

    def __init__(self, total: int, progress: Progress | None):
        self.done, self.total, self.progress = 0, total, progress

    def add(self, count: int) -> None:
        self.done += count
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


class _Metered:
    """A file to write to, as `torch.save` asks for one, that reports what goes through."""

    def __init__(self, file: NewFile, meter: _Meter):
        self.file, self.meter = file, meter

    def write(self, data: bytes) -> int:
        self.meter.add(len(data))
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def _write_pickle(path: Path, tensors: Mapping[str, Tensor], meter: _Meter) -> None:
    """Write a plain state dict; mapped tensors are read as they are written."""
    with new_file(path) as file:
        torch.save(dict(tensors), _Metered(file, meter))


def _check_output(source: Path, output: Path, form: str) -> None:
    if output.resolve() == source.resolve():
        raise CheckpointError(f"{output} is the source itself: name another directory")
    if others := [name for name in FORMS if name != form and (output / name).exists()]:
        raise CheckpointError(f"{output} holds {', '.join(others)} already: name another directory")


def _carry_over(source: Path, output: Path) -> None:
    """Copy what others keep beside a model of ours as JSON, such as the style of a policy's prompts."""
    for path in source.glob("*.json"):
        if path.name != CONFIG and not path.name.endswith(".index.json"):
            replace_file(output / path.name, path.read_bytes())
