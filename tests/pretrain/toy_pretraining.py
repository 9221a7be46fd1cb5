"""A run on the toy stream in a process of its own: `python -m tests.pretrain.toy_pretraining MODEL OUTPUT
[NUMBER=VALUE ...]`, which torchrun may start several times.
"""

import sys
from pathlib import Path

from pretrain.pretraining import pretrain
from tests.pretrain.mixtures import open_toys, toy_config


def main() -> None:
    model, output, *words = sys.argv[1:]
    changes = {key: int(value) for key, value in (word.split("=") for word in words)}
    pretrain(toy_config(model, Path(output), **changes), open_toys)


if __name__ == "__main__":
    main()
