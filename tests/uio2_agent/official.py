"""Official model directories made of the recorded weights, in every form their files come in."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

FORMS = ("pickle", "old pickle", "safetensors", "sharded pickle", "sharded safetensors")


def official_weights(shared: Path) -> dict[str, Tensor]:
    """Return the state dict of the recorded model `a`."""
    return load_file(shared / "fixtures/uio2/weights/a.safetensors")


def half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as the bfloat16 releases hold them: ViTs and target tokenizers stay float32."""
    exact = (".image_encoder.vision_transformer.", ".vqgan.")
    return {k: v if any(part in k for part in exact) else v.bfloat16() for k, v in weights.items()}


def official_directory(
    shared: Path, path: Path, form: str = "pickle", weights: Mapping[str, Tensor] | None = None
) -> Path:
    """Write a directory as the official code or its users would."""
    path.mkdir(parents=True)
    shutil.copyfile(shared / "fixtures/uio2/weights/a.config.json", path / "config.json")
    weights = dict(official_weights(shared) if weights is None else weights)
    if form == "pickle":
        torch.save(weights, path / "pytorch_model.bin")
    elif form == "old pickle":
        torch.save(weights, path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    elif form == "safetensors":
        save_file(weights, path / "model.safetensors", {"format": "pt"})
    else:
        stem, end, write = {
            "sharded pickle": ("pytorch_model", "bin", torch.save),
            "sharded safetensors": ("model", "safetensors", save_file),
        }[form]
        places = {}
        for number in range(3):
            name = f"{stem}-{number + 1:05}-of-00003.{end}"
            part = {key: weights[key] for key in list(weights)[number::3]}
            write(part, path / name)
            places |= dict.fromkeys(part, name)
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (path / f"{stem}.{end}.index.json").write_text(json.dumps(index))
    return path
