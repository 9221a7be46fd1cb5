"""A run on the toy stream in a process of its own: `python -m tests.pretrain.toy_pretraining MODEL OUTPUT
[KEY=VALUE ...]`, which torchrun may start several times.
"""

import sys
from pathlib import Path

from pretrain.pretraining import pretrain
from tests.pretrain.mixtures import open_toys, toy_config


def main() -> None:
    model, output, *words = sys.argv[1:]
    given = dict(word.split("=") for word in words)
    changes = {key: int(value) if value.isdigit() else value for key, value in given.items()}
    pretrain(toy_config(model, Path(output), **changes), open_toys)


if __name__ == "__main__":
    main()
