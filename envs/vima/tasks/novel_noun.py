"""Put one object into another, both called by invented nouns (VIMA-Bench's task 07)."""

from dataclasses import dataclass, replace
from itertools import product

from envs.assets import PromptAssets
from envs.vima.levels import Pools
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, object_assets
from envs.vima.tasks.visual_manipulation import VisualManipulation

NOUNS = ("dax", "blicket", "wug", "zup")


@dataclass(frozen=True)
class Nouns:
    """What the prompt calls the two objects, and which of them it introduces first."""

    dragged: str
    base: str
    base_first: bool

    def definitions(self, dragged_placeholder: str) -> str:
        """Return the two sentences that show what the nouns mean."""
        sentences = [
            f"This is a {self.dragged} {{{dragged_placeholder}}}.",
            f"This is a {self.base} {{base_obj}}.",
        ]
        return " ".join(reversed(sentences) if self.base_first else sentences)


def draw_nouns(world: World) -> Nouns:
    """Draw two different nouns and the order of their definitions."""
    dragged, base = (NOUNS[index] for index in world.rng.choice(len(NOUNS), size=2, replace=False))
    order = [0, 1]
    world.rng.shuffle(order)
    return Nouns(str(dragged), str(base), order[0] == 1)


class NovelNoun(VisualManipulation):
    """`This is a <noun> {dragged_obj_1}. This is a <noun> {base_obj}. Put a <noun> into a <noun>.`

    The definitions come in either order and show gray objects: the noun means the shape. The distractor has
    neither shape.
    """

    name = "novel_noun"

    def spawn(self, world: World) -> Cast:
        draw_nouns(world)  # upstream draws the nouns three times and speaks the last
        cast = super().spawn(world)
        draw_nouns(world)
        return replace(cast, values={"nouns": draw_nouns(world)})

    def distractor_pairs(self, world: World, pools: Pools, base: int, dragged: int) -> list[tuple[str, str]]:
        shown = {world.records[body].name for body in (base, dragged)}
        names = [name for name in (*pools.dragged, *pools.bases) if name not in shown]
        return list(product(names, (*pools.dragged_textures, *pools.base_textures)))

    def prompt(self, world: World, cast: Cast) -> str:
        nouns: Nouns = cast.values["nouns"]
        return f"{nouns.definitions('dragged_obj_1')} Put a {nouns.dragged} into a {nouns.base}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        shown = {"base_obj": cast.one("base"), "dragged_obj_1": cast.one("dragged")}
        return object_assets(world, shown, gray=shown)
