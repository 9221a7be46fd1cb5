"""An invented adjective and two invented nouns in one instruction (VIMA-Bench's task 08)."""

from typing import Any

from envs.vima.table.world import World
from envs.vima.tasks.base import Cast
from envs.vima.tasks.novel_adj import NovelAdj
from envs.vima.tasks.novel_noun import Nouns, draw_nouns

OTHERS = 2


class NovelAdjAndNoun(NovelAdj):
    """`This is a <noun> {dragged_obj}. This is a <noun> {base_obj}. … Put the [less ]<adj> <noun> into the
    <noun>.`

    As NovelAdj, with two further distractors of other shapes; the definitions come in either order.
    """

    name = "novel_adj_and_noun"

    def draw_words(self, world: World) -> dict[str, Any]:
        return {"nouns": draw_nouns(world)}

    def place_others(self, world: World, base: int, dragged: int) -> tuple[int, ...]:
        pools = self.pools
        shown = {world.records[body].name for body in (base, dragged)}
        names = [name for name in (*pools.dragged, *pools.bases) if name not in shown]
        textures = (*pools.dragged_textures, *pools.base_textures)

        def draw():
            name = world.choice(names)
            texture = world.choice(textures)
            return name, texture, world.draw_size(name)

        return tuple(world.try_place(draw) for _ in range(OTHERS))

    def prompt(self, world: World, cast: Cast) -> str:
        nouns: Nouns = cast.values["nouns"]
        definitions, comparisons = nouns.definitions("dragged_obj"), self.comparisons(cast)
        return (
            f"{definitions} {comparisons} Put the {self.asked(cast)} {nouns.dragged} into the {nouns.base}."
        )
