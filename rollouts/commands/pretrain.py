"""`uio2 pretrain`: train a model on a mixture of sources, alone or under torchrun."""

from collections.abc import Mapping
from typing import Any

from rollouts.commands.train_settings import pretraining
from rollouts.output import claim, write_config


def main(keys: Mapping[str, Any]) -> int:
    """Train, or go on with a run that was stopped."""
    from pretrain.mixture_samples import open_samples
    from pretrain.pretraining import pretrain
    from pretrain.progress import say

    output = claim(keys["output"])
    config = pretraining({**keys, "output": output})
    checkpoint = pretrain(config, open_samples, ready=lambda: write_config(output, dict(keys)))
    say(f"model    {checkpoint}")
    return 0
