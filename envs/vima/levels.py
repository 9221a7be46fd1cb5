"""Levels: which objects and textures each task may draw from, in which order.

The order of every list is part of a seed's meaning, because choices are drawn as indices; the lists are those
of VIMA-Bench's partition table. Levels are those of the paper (VIMA, arXiv 2210.03094), `placement`,
`combinatorial`, `novel_object` and `novel_task`, and `train` (equal to placement); upstream's
`…_generalization` names and L1–L4 are understood. `None` stands for the defaults, a task's own pools when
nobody restricts them.

This module knows names only: neither geometry nor how a task uses its pools.
"""

from dataclasses import dataclass, replace

from envs.errors import EnvError
from envs.suites import canonical_level
from envs.vima.things.textures import LIGHT_DARK, TEXTURES

TESTED_LEVELS = ("placement", "combinatorial", "novel_object", "novel_task")
LEVELS = (*TESTED_LEVELS, "train")
LEVEL_ALIASES: dict[str, tuple[str, ...]] = {
    **{name: (f"L{i}", f"{name}_generalization") for i, name in enumerate(TESTED_LEVELS, 1)},
    "train": (),
}
"""Level → its other names."""


@dataclass(frozen=True, kw_only=True)
class Pools:
    """What a task draws from; tuples in drawing order."""

    dragged: tuple[str, ...]
    """Objects that are moved."""
    bases: tuple[str, ...] = ()
    """Objects that receive others; always fixed."""
    dragged_textures: tuple[str, ...]
    base_textures: tuple[str, ...]


def level_name(level: str | None) -> str | None:
    """Return the short name of a level; None stays None (no restriction).

    >>> level_name("L2"), level_name("placement_generalization"), level_name("train")
    ('combinatorial', 'placement', 'train')
    """
    return canonical_level(level, LEVEL_ALIASES)


def _pairs(kind: str, text: str) -> tuple[str, ...]:
    """Expand "red/yellow green/blue" into the names of two-coloured textures."""
    return tuple(f"{a} and {b} {kind}" for a, b in (pair.split("/") for pair in text.split()))


def _with_dark(light: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for texture in light for name in (texture, f"dark {texture}"))


S1 = (
    *("red", "green", "yellow", "granite", "polka dot", "tiger", "rainbow"),
    *_pairs("stripe", "red/yellow yellow/green"),
    *_pairs("polka dot", "red/yellow red/green red/blue yellow/blue green/blue"),
    *("red swirl", "green swirl", "red paisley", "yellow paisley", "green paisley"),
)
"""Textures of moved objects in training."""

S2 = (
    *("blue", "purple", "cyan", "olive", "tiles", "wooden", "plastic", "checkerboard"),
    *_pairs("stripe", "red/blue yellow/blue red/purple yellow/purple green/purple blue/purple"),
    *_pairs("polka dot", "yellow/purple green/purple blue/purple"),
    *("purple swirl", "blue swirl", "blue paisley"),
)
"""Textures of bases in training."""

FIRST_24, LAST_25 = tuple(TEXTURES[:24]), tuple(TEXTURES[24:])

_S1_PATTERNS = (*S1[7:14], "red swirl", "green swirl")
S1_DARK = (
    *("red", "green", "yellow", "dark red", "dark green", "dark yellow"),
    *_S1_PATTERNS,
    *(f"dark {name}" for name in _S1_PATTERNS),
)
"""Light and dark textures of novel adjectives in training (24)."""

S2_DARK = _with_dark(
    ("blue", "purple", "cyan", *S2[8:14], *S2[14:17], "purple swirl", "blue swirl"),
)
"""Light and dark textures of novel adjectives at the combinatorial level (28)."""

_LETTERS = ("letter A", "letter E", "letter G", "letter M", "letter R", "letter T", "letter V")
_ALL_DRAGGED = (
    *("block", "L-shaped block", *_LETTERS, "cross", "diamond", "triangle", "flower", "heart"),
    *("hexagon", "pentagon", "ring", "round", "star"),
)
_TRAIN_LETTERS = tuple(name for name in _LETTERS if name != "letter R")
_TRAIN_DRAGGED = (
    *(*_TRAIN_LETTERS, "block", "cross", "triangle", "flower", "heart", "ring", "pentagon", "L-shaped block"),
)
_TRAIN_BASES = ("bowl", "frame", "container", "square")
_NOVEL_DRAGGED = ("letter R", "diamond", "hexagon", "round", "star")
_SAME = ("same_texture", "same_shape")
_ONE_TEXTURE_POOL = ("rotate", "twist", "follow_order", "rearrange", "rearrange_then_restore")
_ASYMMETRIC_TASKS = ("rotate", "twist")
_ADJECTIVES = ("novel_adj", "novel_adj_and_noun")

TASK_LEVELS: dict[str, tuple[str, ...]] = {
    **{
        task: ("placement", "combinatorial", "novel_object", "train")
        for task in (
            *("visual_manipulation", "scene_understanding", "rotate", "rearrange", "rearrange_then_restore"),
            *("novel_adj", "novel_noun", "twist", "follow_order", "same_shape", "manipulate_old_neighbor"),
            "pick_in_order_then_restore",
        )
    },
    "sweep_without_exceeding": ("placement", "combinatorial", "train"),
    **{
        task: ("novel_task",)
        for task in ("sweep_without_touching", "novel_adj_and_noun", "follow_motion", "same_texture")
    },
}
"""Which levels the benchmark holds each of its 17 tasks for."""


def _without(names: tuple[str, ...], *left_out: str) -> tuple[str, ...]:
    return tuple(name for name in names if name not in left_out)


def _default_pools(task: str) -> Pools:
    bases = ("pan", "bowl", "frame", "square", "container", "pallet")
    dragged, dragged_textures, base_textures = _ALL_DRAGGED, FIRST_24, LAST_25
    if task == "scene_understanding":
        bases = ("bowl", "frame", "square", "container", "pallet", "pan")
    elif task in _SAME:
        bases = ("pan", "bowl", "container", "frame", "pallet", "square")
        dragged = ("shorter block", *_without(dragged, "block"))
    elif task == "pick_in_order_then_restore":
        bases = ("bowl", "frame", "square", "container", "pallet")
        dragged = _without(dragged, "block")
    if task in _ASYMMETRIC_TASKS:
        dragged = (*_LETTERS, "heart", "L-shaped block")
    if task in _ADJECTIVES:
        dragged, dragged_textures = _without(dragged, "block"), LIGHT_DARK
    if task in _ONE_TEXTURE_POOL or task == "follow_motion":
        dragged_textures = tuple(TEXTURES)
    if task.startswith("sweep_"):
        dragged, bases = ("small block",), ("three-sided rectangle", "line")
    return Pools(dragged=dragged, bases=bases, dragged_textures=dragged_textures, base_textures=base_textures)


def pools_for(task: str, level: str | None = None) -> Pools:
    """Return what `task` may draw from at `level`; a task the table does not know draws from the defaults
    everywhere.

    Raises EnvError when the level is unknown or does not hold the task.
    """
    level = level_name(level)
    default = _default_pools(task)
    if level is None or task not in TASK_LEVELS:
        return default
    if level not in TASK_LEVELS[task]:
        raise EnvError(
            f"level {level!r} does not hold task {task!r}: it exists at {', '.join(TASK_LEVELS[task])}"
        )
    if level == "novel_task":
        return default
    if level == "novel_object":
        return _novel_object_pools(task, default)
    dragged, bases = _TRAIN_DRAGGED, _TRAIN_BASES
    if task in _ASYMMETRIC_TASKS:
        dragged = (*_TRAIN_LETTERS, "heart", "L-shaped block")
    elif task in _ADJECTIVES:
        dragged = _without(dragged, "block")
    elif task == "same_shape":
        dragged = ("shorter block", *_without(dragged, "block"))
    elif task.startswith("sweep_"):
        dragged, bases = default.dragged, default.bases
    mine, others, dark = (S1, S2, S1_DARK) if level in ("placement", "train") else (S2, S1, S2_DARK)
    return Pools(
        dragged=dragged,
        bases=bases,
        dragged_textures=dark if task == "novel_adj" else mine,
        base_textures=others,
    )


def _novel_object_pools(task: str, default: Pools) -> Pools:
    bases = ("pallet",) if task == "pick_in_order_then_restore" else ("pallet", "pan")
    dragged = _NOVEL_DRAGGED
    if task in _ASYMMETRIC_TASKS:
        dragged = ("letter R",)
    elif task == "same_shape":
        dragged = ("shorter block", *_NOVEL_DRAGGED)
    return replace(default, dragged=dragged, bases=bases)
