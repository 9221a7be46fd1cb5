"""UnifiedIO2: the network together with what it needs to answer requests, and its directory on disk.

Unusual: loading builds the model without numbers and takes those of the mapped file, so it holds nothing
twice. The answers themselves are the business of `uio2_agent.generation`, the
files that of `uio2_agent.formats`.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import CheckpointError
from uio2_agent.formats.checkpoint import (
    TOKENIZER,
    config_values,
    copy_tokenizer,
    empty_network,
    fill,
    model_weights,
    notes,
    open_weights,
    read_config,
    read_tokenizer,
    write_json,
)
from uio2_agent.formats.packaged import CONFIG, checkpoint_directory
from uio2_agent.generation.generate import generate, stream
from uio2_agent.generation.options import GenerationOptions
from uio2_agent.generation.packed_weights import pack_weights
from uio2_agent.inputs.processor import Processor
from uio2_agent.media.spectrogram import griffin_lim
from uio2_agent.model import Network
from uio2_agent.request import Answer, Request
from uio2_agent.text.tokenizer import NEEDED
from uio2_agent.tokenizers.vocoder import WEIGHTS as VOCODER
from uio2_agent.tokenizers.vocoder import Vocoder
from uio2_agent.weights import SAFETENSORS, write_safetensors


class UnifiedIO2(Network):
    """Unified-IO 2: a network with its processor, and its vocoder if it has one.

    >>> model = UnifiedIO2.from_pretrained("nano")
    >>> model.generate(Request("Put the red block into the bowl."), max_new_tokens=1).tokens.shape
    (1,)
    """

    processor: Processor | None = None
    """Set by `from_pretrained`; needed by `generate` on requests."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__(config)
        self.vocoder: Vocoder | None = None  # not of the class, whose None would hide a module set later

    def transformer_to(self, dtype: torch.dtype) -> Self:
        """Bring all weights to a precision but those of the ViTs, target tokenizers and vocoder, in place."""
        super().transformer_to(dtype)
        if self.vocoder is not None:
            self.vocoder.float()
        return self

    def pack(self, weights: str = "float32") -> Self:
        """Lay the weights out for decoding on a CPU, in place (`generation.packed_weights`)."""
        pack_weights(self, weights)
        return self

    def generate(
        self, request: Request | Sequence[Request], target: str | Sequence[str] = "text", **options: Any
    ) -> Answer | list[Answer]:
        """Answer one request or several.

        Arguments:
            target: "text", "image" or "audio"; or one of them for each request.
            options: the fields of `uio2_agent.generation.options.GenerationOptions`.
        """
        single = isinstance(request, Request)
        answers = generate(self, [request] if single else list(request), target, GenerationOptions(**options))
        return answers[0] if single else answers

    def stream(self, request: Request, **options: Any) -> Iterator[str]:
        """Yield the text answer to a request piece by piece; options as in `generate`."""
        return stream(self, request, GenerationOptions(**options))

    def wave(self, power: np.ndarray) -> np.ndarray:
        """Return the sound float32 [samples] at 16 kHz of an audio answer, linear mel power [time, mel].

        HiFi-GAN makes it if the model has its vocoder (65,536 samples), else Griffin-Lim (65,280), less well.
        """
        return griffin_lim(power) if self.vocoder is None else self.vocoder.wave(power)

    @classmethod
    def from_pretrained(
        cls,
        name_or_dir: str | Path,
        *,
        tokenizer: str | Path | None = None,
        processor: bool = True,
        dtype: torch.dtype | None = None,
        device: str | torch.device = "cpu",
    ) -> Self:
        """Load a model, with its processor and its vocoder if there is one, ready to generate.

        On the CPU, weights that keep their stored precision are views of the file: private, writable, read
        when they are used. The file must not be written over in place meanwhile (`save_pretrained` replaces
        it instead).

        Arguments:
            name_or_dir: packaged name, a directory written by `save_pretrained`, or an official one
                (`config.json` and `pytorch_model.bin` or `model.safetensors`, whole or in shards).
            tokenizer: another sentencepiece file than the `tokenizer.model` of the directory. Official
                directories come without; a model without one takes batches only, which a warning says.
            processor: False loads the weights alone.
            dtype: precision of the transformer; ViTs and target tokenizers are then float32, as in the
                official half-precision releases. By default float32 and bfloat16 weights stay what they are
                and float16, which is for storage, becomes float32.
            device: where the weights go.

        Raises CheckpointError if a file is missing, damaged, holds code, or has other tensors than
        config.json says, or another one was written with it; UIO2Error if the tokenizer is not the model's.
        """
        directory = checkpoint_directory(name_or_dir)
        config, official = read_config(directory)
        text = read_tokenizer(directory, config, official, tokenizer) if processor else None
        if processor and text is None:
            source = NEEDED if official else "copy it from where it was made"
            warnings.warn(
                f"{directory} holds no {TOKENIZER}: the model takes batches but no requests until it has one "
                f"(tokenizer=PATH, or put it there); {source}",
                stacklevel=2,
            )
        files, stored = open_weights(directory, config, official)
        where = directory if len(files) > 1 else files[0]
        model = empty_network(cls, config, stored, official, where)
        fill(model, files, stored, official, dtype, torch.device(device))
        if text is not None:
            model.processor = Processor(config, text)
        if (directory / VOCODER).is_file():
            model.vocoder = Vocoder.from_pretrained(directory).to(device)
        return model.eval()

    def save_pretrained(self, directory: str | Path, *, dtype: torch.dtype | None = None) -> Path:
        """Write the model, and its tokenizer and vocoder if it has them; `dtype` stores all weights in
        another precision.
        """
        if self.is_packed:
            raise CheckpointError(
                "a packed model holds no weights to save: load it again, and save it unpacked"
            )
        directory = Path(directory)
        weights = model_weights(self)
        layout = {name: value.to("meta", dtype or value.dtype) for name, value in weights.items()}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            text = None if self.processor is None else self.processor.tokenizer
            values = config_values(self.config, text)
            write_safetensors(
                directory / SAFETENSORS,
                layout,
                lambda names: ((name, weights[name]) for name in names),
                notes=notes(values),
            )
            write_json(directory / CONFIG, values)
            if text is not None:
                copy_tokenizer(text, directory)
            if self.vocoder is not None:
                self.vocoder.save_pretrained(directory)
        except OSError as error:
            raise CheckpointError(f"cannot write the model to {directory}: {error}") from error
        return directory
