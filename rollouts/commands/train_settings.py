"""The words of the commands that train as the settings of a run; loads no torch."""

import os
from collections.abc import Mapping
from typing import Any

from pretrain.pretrain_settings import PretrainConfig
from pretrain.settings import TrainConfig
from pretrain.tokenizing.settings import TokenizerConfig


def configured(keys: Mapping[str, Any]) -> TrainConfig:
    """The training that is asked for."""
    flat = {key: value for key, value in keys.items() if key != "evaluate"}
    data = keys["data"]
    flat["data"] = tuple(map(os.path.expanduser, data if isinstance(data, list) else [data]))
    if isinstance(keys["lora_targets"], list):
        flat["lora_targets"] = ",".join(keys["lora_targets"])
    return TrainConfig(**flat)


def pretraining(keys: Mapping[str, Any]) -> PretrainConfig:
    """The pre-training that is asked for."""
    without = keys["without"]
    left_out = [without] if isinstance(without, str) else without
    data = keys["data"]
    return PretrainConfig(
        **{
            **keys,
            "without": left_out and tuple(left_out),
            "data": data and os.path.expanduser(data),
        }
    )


def tokenizer_training(keys: Mapping[str, Any]) -> TokenizerConfig:
    """The training of a target tokenizer that is asked for."""
    data = keys["data"]
    window = keys["window"]
    return TokenizerConfig(
        **{
            **keys,
            "data": data and os.path.expanduser(data),
            "window": tuple(window) if isinstance(window, list) else (window,),
        }
    )
