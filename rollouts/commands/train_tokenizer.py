"""`uio2 train-tokenizer`: train what turns pictures or sounds into codes and back."""

from collections.abc import Mapping
from typing import Any

from rollouts.commands.train_settings import tokenizer_training
from rollouts.output import claim, write_config


def main(keys: Mapping[str, Any]) -> int:
    """Train, or go on with a run that was stopped."""
    from pretrain.progress import say
    from pretrain.tokenizing.run import train_tokenizer

    output = claim(keys["output"])
    config = tokenizer_training({**keys, "output": output})
    say(f"tokenizer {train_tokenizer(config, ready=lambda: write_config(output, dict(keys)))}")
    return 0
