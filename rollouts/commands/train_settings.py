"""The words of `uio2 train` as the settings of a run; loads no torch."""

import os
from collections.abc import Mapping
from typing import Any

from pretrain.settings import TrainConfig


def configured(keys: Mapping[str, Any]) -> TrainConfig:
    """The training that is asked for."""
    flat = {key: value for key, value in keys.items() if key != "evaluate"}
    data = keys["data"]
    flat["data"] = tuple(map(os.path.expanduser, data if isinstance(data, list) else [data]))
    if isinstance(keys["lora_targets"], list):
        flat["lora_targets"] = ",".join(keys["lora_targets"])
    return TrainConfig(**flat)
