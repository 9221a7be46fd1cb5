"""Low-rank adapters (LoRA, arXiv 2106.09685): fine-tuning of a large model by a few million added weights.

A chosen linear layer W of the encoder or decoder computes W x + alpha / rank * up(down x), with down [rank,
in] and up [out, rank] in float32 whatever the model's own precision, up zero at first. Everything else is
frozen and needs neither gradients nor optimizer state.

Unusual: the model is not rebuilt. An adapter listens at its layer (a forward hook), so the model keeps its
module tree and the names of its state dict, and is saved and loaded as ever. What reads a layer's weight
without calling the layer misses the adapter: call `merge` before that.

Why not the `peft` library (0.21.2): it fits the layers, but brings 21 packages of 189 MB, 126 of them
transformers, and 2.9 s of imports beside torch's 1.1 s. It wraps layers, which renames weights, so that a
running model could no longer be saved as a checkpoint; adapters it injects into a bfloat16 model are
bfloat16; and among several target names it passes over unknown ones in silence. Files are in its format: it
loads what is saved here.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.errors import TrainingError
from uio2_agent.errors import CheckpointError
from uio2_agent.fields import FieldError, Range, read_value
from uio2_agent.files import replace_file
from uio2_agent.formats.json_file import read_object
from uio2_agent.unified_io2 import UnifiedIO2
from uio2_agent.weights import check_fit, map_weights, write_safetensors

TARGETS = ("query", "value")
"""Last parts of the names of adapted layers, if none are named; key, out, gate, up and down are there too."""
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_MOST_RANK = 65_536
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


class Adapter(nn.Module):
    """What one linear layer learns beside its weight."""

    def __init__(self, linear: nn.Linear, rank: int):
        super().__init__()
        bound = linear.in_features**-0.5
        device = linear.weight.device
        self.down = nn.Parameter(torch.empty(rank, linear.in_features, device=device).uniform_(-bound, bound))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """Map x [..., in] to [..., out], in the precision of x."""
        return F.linear(F.linear(x, self.down.to(x.dtype)), self.up.to(x.dtype))


class Lora(nn.Module):
    """The adapters of a model; as a module it holds their weights and none of the model's.

    >>> from uio2_agent import UnifiedIO2, UnifiedIO2Config
    >>> lora = Lora(UnifiedIO2(UnifiedIO2Config.preset("nano")), rank=4)
    >>> sum(parameter.numel() for parameter in lora.parameters())
    21504
    """

    def __init__(self, model: UnifiedIO2, rank: int, alpha: float = 16.0, targets: Sequence[str] = TARGETS):
        """Freeze the model and put an adapter beside each of its encoder's and decoder's target layers.

        `targets` are last parts of layer names. Raises TrainingError for an unknown one, or a rank below 1.
        """
        super().__init__()
        if rank < 1:
            raise TrainingError(f"the rank of adapters must be at least 1, found {rank}")
        self.rank, self.alpha, self.scale, self.targets = rank, alpha, alpha / rank, tuple(targets)
        self._linears = _target_layers(model, targets)  # a plain dict: the weights stay the model's
        self.adapters = nn.ModuleDict(
            {_key(path): Adapter(linear, rank) for path, linear in self._linears.items()}
        )
        model.requires_grad_(False)
        self._listening = True
        self._hooks = [
            linear.register_forward_hook(self._hook(self.adapters[_key(path)]))
            for path, linear in self._linears.items()
        ]

    def _hook(self, adapter: Adapter) -> Any:
        def add(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
            return output + self.scale * adapter(inputs[0]) if self._listening else output

        return add

    def merge(self) -> None:
        """Add the adapters to the model's weights, for good; they no longer listen."""
        self._add_to_weights()
        for hook in self._hooks:
            hook.remove()

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Add the adapters to the model's weights for the time of a `with`, then restore these to the bit.

        Main memory holds a copy of the adapted weights meanwhile.
        """
        kept = {path: linear.weight.to("cpu", copy=True) for path, linear in self._linears.items()}
        self._add_to_weights()
        self._listening = False
        try:
            yield
        finally:
            self._listening = True
            with torch.no_grad():
                for path, linear in self._linears.items():
                    linear.weight.copy_(kept[path])

    def _add_to_weights(self) -> None:
        with torch.no_grad():
            for path, linear in self._linears.items():
                adapter = self.adapters[_key(path)]
                weight = linear.weight.float() + self.scale * (adapter.up @ adapter.down)  # [out, in]
                linear.weight.copy_(weight)

    def save(self, directory: str | Path) -> None:
        """Write the adapters to a directory, in the format of the `peft` library."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        tensors = self._named_tensors()
        write_safetensors(
            directory / WEIGHTS, tensors, lambda names: ((name, tensors[name]) for name in names)
        )
        config = {
            "peft_type": "LORA",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": False,
            "target_modules": rf"(encoder|decoder)\..*\.({'|'.join(self.targets)})",
        }
        replace_file(directory / CONFIG, json.dumps(config, indent=1) + "\n")

    @classmethod
    def load(cls, model: UnifiedIO2, directory: str | Path) -> "Lora":
        """Put saved adapters beside the layers of a model, as `save` wrote them.

        Raises CheckpointError when a file is missing or damaged, or the adapters are of another model.
        """
        directory = Path(directory)
        tensors = map_weights([directory / WEIGHTS])
        rank, alpha = _read_config(directory / CONFIG)
        layers = [name.removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)]
        lora = cls(model, rank, alpha, sorted({layer.rpartition(".")[2] for layer in layers}))
        expected = lora._named_tensors()
        check_fit(expected, tensors, directory / WEIGHTS)
        with torch.no_grad():
            for name, value in expected.items():
                value.copy_(tensors[name])
        return lora

    def _named_tensors(self) -> dict[str, Tensor]:
        named = {}
        for path in self._linears:
            adapter = self.adapters[_key(path)]
            named[f"{_PREFIX}{path}{_DOWN}"], named[f"{_PREFIX}{path}{_UP}"] = adapter.down, adapter.up
        return named


def _key(path: str) -> str:
    return path.replace(".", "/")  # names of modules hold no dots


def _target_layers(model: UnifiedIO2, targets: Sequence[str]) -> dict[str, nn.Linear]:
    """Return the encoder's and decoder's linear layers whose last name is a target, by their whole name."""
    linears = {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear) and path.split(".")[0] in ("encoder", "decoder")
    }
    known = list(dict.fromkeys(path.rpartition(".")[2] for path in linears))
    unknown = [name for name in targets if name not in known]
    if unknown or not targets:
        found = ", ".join(map(repr, unknown)) or "none"
        raise TrainingError(f"adapters go to layers named {', '.join(known)}: choose of these, found {found}")
    return {path: linear for path, linear in linears.items() if path.rpartition(".")[2] in targets}


def _read_config(path: Path) -> tuple[int, float]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing: adapters are {WEIGHTS} and {CONFIG}")
    values = read_object(path)
    try:
        rank = read_value(values.get("r"), Annotated[int, Range(1, _MOST_RANK)], "r")
        return rank, read_value(values.get("lora_alpha"), Annotated[float, Range(0, 1e6)], "lora_alpha")
    except FieldError as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or write it again") from error
