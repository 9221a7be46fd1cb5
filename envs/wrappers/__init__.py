"""Wrappers: an environment as other libraries expect it. docs/wrappers.md shows each with its spaces.

Each changes one thing, so they combine in any order, and in vector environments
(`gymnasium.make_vec(..., wrappers=[FlatActions, FlatImage])`). `FlatImage` and `Depth` take any environment
with pictures by view, or with the ability `depth`; the others read what the tabletop's actions, prompts and
segmentations say, and live in its folder.
"""

from envs.vima.crops import ObjectCrops as ObjectCrops
from envs.vima.wrappers import FlatActions as FlatActions
from envs.vima.wrappers import TextPrompt as TextPrompt
from envs.wrappers.pictures import Depth as Depth
from envs.wrappers.pictures import FlatImage as FlatImage
