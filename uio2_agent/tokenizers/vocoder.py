"""Spectrograms to sound: the HiFi-GAN generator.

Unusual: weight norm is a matter of the file, not of the network. `fuse_weight_norm` multiplies directions and
lengths out when weights are read, and inference runs on plain convolutions. Residual stacks are of either
type of HiFi-GAN (Kong et al. 2020): the release has type 2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.fields import Range, check_fields, shown
from uio2_agent.files import replace_file
from uio2_agent.formats.json_file import read_object
from uio2_agent.media.spectrogram import LOWEST
from uio2_agent.network.meta_device import shapes_only_on_meta
from uio2_agent.sizes import Width
from uio2_agent.weights import check_fit, map_weights, named_tensors, read_pickle, write_safetensors

WEIGHTS = "vocoder.safetensors"
SLOPE, LAST_SLOPE = 0.1, 0.01
_OFFICIAL = {
    "residual_type": "resblock",
    "mels": "num_mels",
    "width": "upsample_initial_channel",
    "rates": "upsample_rates",
    "kernels": "upsample_kernel_sizes",
    "residual_kernels": "resblock_kernel_sizes",
    "residual_dilations": "resblock_dilation_sizes",
}
"""Our fields and the official ones."""
_Sizes = Annotated[tuple[Annotated[int, Range(1, 1_024)], ...], Range(1, 16)]


@dataclass(frozen=True, kw_only=True)
class VocoderConfig:
    """Shape of the generator; a frame becomes the product of `rates` samples.

    Raises UIO2Error, naming the field, for what is no shape of a generator.
    """

    mels: Width = 128
    width: Width = 256
    rates: _Sizes = (8, 8, 4)
    kernels: _Sizes = (16, 16, 8)
    residual_type: Literal["1", "2"] = "2"
    """"2": dilated convolutions, each added to its input. "1": behind each a plain one, added in pairs."""
    residual_kernels: _Sizes = (3, 5, 7)
    residual_dilations: Annotated[tuple[_Sizes, ...], Range(1, 16)] = ((1, 2), (2, 6), (3, 12))

    def __post_init__(self) -> None:
        check_fields(self)
        for ours, others in (("rates", "kernels"), ("residual_kernels", "residual_dilations")):
            if (one := len(getattr(self, ours))) != (other := len(getattr(self, others))):
                raise UIO2Error(f"{one} {ours} and {other} {others} are not possible: there are as many")
        if self.width % 2 ** len(self.rates):
            raise UIO2Error(
                f"width={self.width} is not possible: it is halved {len(self.rates)} times, once a rate"
            )
        if any(kernel < rate for rate, kernel in zip(self.rates, self.kernels, strict=True)):
            raise UIO2Error(f"kernels={self.kernels} are not possible: none is smaller than its rate")
        if even := [kernel for kernel in self.residual_kernels if kernel % 2 == 0]:
            raise UIO2Error(f"residual kernel {even[0]} is not possible: it takes odd numbers")

    @classmethod
    def from_official(cls, official: dict[str, Any]) -> Self:
        """Read the JSON configuration of a generator; UIO2Error names a field that is not possible."""
        if not isinstance(official, dict):
            raise UIO2Error(f"{shown(official)} is no object of fields and values")
        names = dict(_OFFICIAL)
        if "num_mels" not in official:
            del names["mels"]
        if lacking := [name for name in names.values() if name not in official]:
            raise UIO2Error(f"it lacks {', '.join(lacking)}")
        return cls(**{ours: official[name] for ours, name in names.items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a JSON file of such a configuration."""
        try:
            return cls.from_official(read_object(path))
        except UIO2Error as error:
            raise CheckpointError(f"{path} is no configuration of HiFi-GAN's generator: {error}") from error

    def to_official(self) -> dict[str, Any]:
        """Write the fields that `from_official` reads."""
        return {name: getattr(self, ours) for ours, name in _OFFICIAL.items()}


class Vocoder(nn.Module):
    """Natural-log mel spectrograms to waves at 16 kHz.

    >>> Vocoder(VocoderConfig())(torch.zeros(1, 128, 4)).shape
    torch.Size([1, 1024])
    """

    @shapes_only_on_meta
    def __init__(self, config: VocoderConfig):
        super().__init__()
        self.config = config
        self.conv_pre = nn.Conv1d(config.mels, config.width, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        width = config.width
        for rate, kernel in zip(config.rates, config.kernels, strict=True):
            padding = (kernel - rate) // 2
            self.ups.append(nn.ConvTranspose1d(width, width // 2, kernel, stride=rate, padding=padding))
            width //= 2
            stack = ResidualStack if config.residual_type == "2" else PairedStack
            self.resblocks.extend(
                stack(width, size, dilations)
                for size, dilations in zip(config.residual_kernels, config.residual_dilations, strict=True)
            )
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return waves [B, samples] in [-1, 1] of log_mel [B, mels, frames]."""
        x = self.conv_pre(log_mel)
        stacks = len(self.config.residual_kernels)
        for index, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            group = self.resblocks[index * stacks : (index + 1) * stacks]
            x = torch.stack([stack(x) for stack in group]).mean(0)
        return self.conv_post(F.leaky_relu(x, LAST_SLOPE)).tanh()[:, 0]

    @torch.inference_mode()
    def wave(self, power: np.ndarray) -> np.ndarray:
        """Return the wave float32 [256 * time] in [-1, 1] of linear mel power [time, mel]."""
        if power.ndim != 2 or power.shape[1] != self.config.mels:
            raise UIO2Error(
                f"this vocoder reads [time, {self.config.mels}]; the power is {list(power.shape)}"
            )
        log_mel = np.log(np.where(power > 0, power, LOWEST)).astype(np.float32)
        weight = self.conv_pre.weight
        return self(torch.from_numpy(log_mel.T[None]).to(weight.device))[0].cpu().numpy()

    @classmethod
    def from_pretrained(cls, path: str | Path, config: VocoderConfig | None = None) -> Self:
        """Read a vocoder in float32, frozen.

        Arguments:
            path: the official pickle, a safetensors file with or without weight norm, or a directory that
                holds `vocoder.safetensors`.
            config: its shape; by default that of the JSON file of the same name beside it, else the released.

        Raises CheckpointError if the file is damaged, holds code, or is of another shape.
        """
        path = Path(path)
        path = path / WEIGHTS if path.is_dir() else path
        if path.suffix == ".safetensors":
            weights = map_weights([path])
        else:
            loaded = read_pickle(path)
            if not isinstance(loaded, Mapping) or "generator" not in loaded:
                raise CheckpointError(f"{path} holds no 'generator': give a file of HiFi-GAN's generator")
            weights = named_tensors(loaded["generator"], path)
        beside = path.with_suffix(".json")
        if config is None and beside.is_file():
            config = VocoderConfig.read(beside)
        with torch.device("meta"):
            vocoder = cls(config or VocoderConfig())
        fused = fuse_weight_norm(weights)
        check_fit(vocoder.state_dict(), fused, path)
        vocoder.load_state_dict({name: value.float() for name, value in fused.items()}, assign=True)
        return vocoder.requires_grad_(False).eval()

    def save_pretrained(self, directory: Path) -> None:
        """Write `vocoder.safetensors`, without weight norm, and its JSON configuration to a directory."""
        weights = self.state_dict()
        config = json.dumps(self.config.to_official()) + "\n"
        replace_file((directory / WEIGHTS).with_suffix(".json"), config)
        write_safetensors(directory / WEIGHTS, weights, lambda names: ((n, weights[n]) for n in names))


class ResidualStack(nn.Module):
    """Dilated convolutions, each added to its input."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.convs = _convolutions(width, kernel, dilations)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + conv(F.leaky_relu(x, SLOPE))
        return x


class PairedStack(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair added to its input."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...]):
        super().__init__()
        self.convs1 = _convolutions(width, kernel, dilations)
        self.convs2 = _convolutions(width, kernel, (1,) * len(dilations))

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


def _convolutions(width: int, kernel: int, dilations: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Conv1d(width, width, kernel, dilation=d, padding="same") for d in dilations)


def fuse_weight_norm(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with each pair `weight_g`, `weight_v` multiplied out to `weight`; others as they are."""
    fused = {}
    for name, value in weights.items():
        stem, _, kind = name.rpartition(".")
        if kind == "weight_v":
            length = value.flatten(1).norm(dim=1).view(-1, *[1] * (value.dim() - 1))
            if f"{stem}.weight_g" not in weights:
                raise CheckpointError(
                    f"vocoder weights hold {name} without {stem}.weight_g: the file is not whole"
                )
            fused[f"{stem}.weight"] = weights[f"{stem}.weight_g"] * value / length
        elif kind != "weight_g":
            fused[name] = value
    return fused
