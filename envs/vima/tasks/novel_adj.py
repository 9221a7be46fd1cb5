"""Learn an invented adjective from pairs of pictures, then move the object it fits (VIMA-Bench's task 06)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from envs.assets import PromptAssets
from envs.errors import SpawnError
from envs.poses import Vector
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal
from envs.vima.things.objects import OBJECTS

ADJECTIVES = ("daxer", "blicker", "modier", "kobar")
MEANINGS = {"height": ("shorter", "taller"), "colour": ("lighter", "darker")}
SHORT = (0.3, 0.4)
"""Between which heights a short object is drawn, as parts of its own height."""
TALL_IS_MORE = 2.0
"""By how much a tall object exceeds a short one, in the same unit."""
UNUSED_RANGE = (0.55, 0.6)
"""Upstream draws a number here that nothing depends on."""
EXAMPLES = (1, 2, 3)


@dataclass(frozen=True)
class Adjective:
    """An invented word and what it means in this episode."""

    word: str
    meaning: str
    """taller, shorter, darker or lighter."""
    short: float
    """Height of a short object, as a part of its own height."""
    less: bool
    """Whether the prompt asks for the less … one."""

    def look(self, texture: str, *, more: bool) -> tuple[str, float]:
        """Return texture and height (as a part of its own) of the one of two objects that is more so, or
        less.
        """
        light = texture.removeprefix("dark ")
        if self.meaning in MEANINGS["height"]:
            tall = (self.meaning == "taller") == more
            return texture, self.short + TALL_IS_MORE * tall
        return (f"dark {light}" if (self.meaning == "darker") == more else light), 1.0


class NovelAdj(Task):
    """`{demo_blicker_obj_1} is <adj> than {demo_less_blicker_obj_1}. … Put the [less ]<adj> {dragged_obj}
    into the {base_obj}.`

    The adjective means taller, shorter, lighter or darker. Two objects of one shape stand on the table, alike
    in everything else; the wrong one is the distractor. Object and base are shown gray and at normal height.
    Beyond easy, an object of another shape distracts too: it looks like the wrong one at medium, at hard like
    the right one.
    """

    name = "novel_adj"
    oracle_max_steps = 3
    sequential = True
    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"other_shape": None},
        "medium": {"other_shape": "wrong"},
        "hard": {"other_shape": "right"},
    }

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        word = world.choice(ADJECTIVES)
        less = world.choice((True, False))
        values = self.draw_words(world)
        families = list(MEANINGS)
        rng.shuffle(families)
        meaning = world.choice(MEANINGS[families[0]])
        rng.uniform(*UNUSED_RANGE)
        adjective = Adjective(word, meaning, float(rng.uniform(*SHORT)), less)
        base_texture = world.choice(pools.base_textures)
        texture = world.choice(pools.dragged_textures)
        examples = [self._draw_example(world) for _ in EXAMPLES]
        base = world.try_place(lambda: self._draw_base(world, base_texture))
        dragged, *distractors = self._place_shapes(world, base, adjective, texture)
        others = self.place_others(world, base, dragged)
        return Cast(
            roles={"base": (base,), "dragged": (dragged,)},
            values={**values, "adjective": adjective, "examples": examples},
            distractors=(*distractors, *others),
        )

    def draw_words(self, world: World) -> dict[str, Any]:
        """Draw what else the prompt says."""
        return {}

    def place_others(self, world: World, base: int, dragged: int) -> tuple[int, ...]:
        """Place further distractors and return them."""
        return ()

    def _draw_example(self, world: World) -> tuple[str, str]:
        """Draw shape and texture of a pair of pictures."""
        texture = world.choice(self.pools.dragged_textures)
        name = world.choice(self.pools.dragged)
        world.draw_size(name)  # shapes look the same at any nominal size
        return name, texture

    def _draw_base(self, world: World, texture: str) -> tuple[str, str, Vector]:
        name = world.choice(self.pools.bases)
        return name, texture, world.draw_size(name)

    def _place_shapes(self, world: World, base: int, adjective: Adjective, texture: str) -> list[int]:
        """Place the object that is asked for, the other of its shape, then the one of another shape, if there
        is one, all of one drawn size; return them.
        """
        shapes = self.pools.dragged
        asked, spare = (shapes[index] for index in world.rng.choice(len(shapes), size=2, replace=False))

        def place(name: str, more: bool, draw_size: Callable[[], Vector]) -> int:
            worn, height = adjective.look(texture, more=more)
            for _ in range(ATTEMPTS):
                x, y, z = draw_size()
                size = (x, y, z * height)
                pose = world.draw_pose(size)
                if pose is not None and world.is_clear(name, size, pose, [base]):
                    return world.add(name, worn, pose, size, scale=(1.0, 1.0, height))
            raise SpawnError(f"no free place on the table after {ATTEMPTS} attempts")

        right, wrong = not adjective.less, adjective.less
        dragged = place(asked, right, lambda: world.draw_size(asked))
        (x, y, z), (_, _, height) = world.records[dragged].size, world.records[dragged].scale
        placed = [dragged, place(asked, wrong, lambda: (x, y, z / height))]
        if self.settings["other_shape"] is not None:
            more = right if self.settings["other_shape"] == "right" else wrong
            placed.append(place(spare, more, lambda: (x, y, z / height)))
        return placed

    def prompt(self, world: World, cast: Cast) -> str:
        return f"{self.comparisons(cast)} Put the {self.asked(cast)} {{dragged_obj}} into the {{base_obj}}."

    def comparisons(self, cast: Cast) -> str:
        """Return the sentences that show what the adjective means."""
        word = cast.values["adjective"].word
        return " ".join(
            f"{{demo_blicker_obj_{i}}} is {word} than {{demo_less_blicker_obj_{i}}}." for i in EXAMPLES
        )

    def asked(self, cast: Cast) -> str:
        """Return the words for what the object must be."""
        adjective = cast.values["adjective"]
        return "less " * adjective.less + adjective.word

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        adjective: Adjective = cast.values["adjective"]
        pictures = {}
        for i, (name, texture) in zip(EXAMPLES, cast.values["examples"], strict=True):
            for more, kind in ((True, "demo_blicker_obj"), (False, "demo_less_blicker_obj")):
                worn, height = adjective.look(texture, more=more)
                pictures[f"{kind}_{i}"] = world.portrait(
                    name, worn, OBJECTS[name].size_high, (1.0, 1.0, height)
                )
        shown = {"base_obj": cast.one("base"), "dragged_obj": cast.one("dragged")}
        plain = object_assets(world, shown, gray=shown, scales={"dragged_obj": 1.0})
        return PromptAssets({**pictures, **plain})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        return [Goal(objects=cast.roles["dragged"], targets=(world.centre(cast.one("base")),))]
