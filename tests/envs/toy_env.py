"""A toy environment that keeps the contract, and the list of toys that do not.

The sound one is the example of docs/environments.md, executed here, with the abilities it leaves out.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from envs.floor_map import FloorMap

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"
EXAMPLE, USE, CHECK = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
example = SimpleNamespace(__name__=__name__)
exec(compile(EXAMPLE, str(PAGE), "exec"), vars(example))


class ToyEnv(example.LineEnv):
    """The example, which can be watched, measures depth and draws a map."""

    abilities = frozenset({*example.LineEnv.abilities, "watch", "depth", "map"})
    callback = None

    def watch(self, callback, height=288, width=512, every=1):
        self.callback, self.every = callback, every
        self.picture = np.zeros((height, width, 3), np.uint8)
        if callback:
            callback(self.picture)

    def step(self, action):
        for moment in range(3):
            if self.callback and moment % self.every == 0:
                self.callback(self.picture)
        return super().step(action)

    def depth(self):
        return {"front": np.ones((8, 64), np.float32)}

    def floor_map(self):
        return FloorMap(np.zeros((20, 30, 3), np.uint8), np.array([[10.0, 0, 15], [0, -10, 10]]))


FLAWS: dict[str, type] = {}
CASES: list[tuple[str, str, str]] = []
"""The flaw's name, the check that must find it, a word of what the check must say."""


def flaw(check, says):
    def add(broken):
        FLAWS[broken.__name__] = broken
        CASES.append((broken.__name__, check, says))
        return broken

    return add
