"""Put everything of the base's profile into it (VIMA-Bench's task 15)."""

from envs.vima.table.world import World
from envs.vima.tasks.base import Cast
from envs.vima.tasks.same_texture import SameTexture
from envs.vima.things.objects import OBJECTS

ROUND_BASES = ("bowl", "pan")


class SameShape(SameTexture):
    """`Put all objects with the same profile as {base_obj} into it.` Round things, or square ones."""

    name = "same_shape"

    def draw_shape(self, world: World, base: int, *, belongs: bool) -> str:
        profile = "circle" if world.records[base].name in ROUND_BASES else "square"
        names = [name for name in self.pools.dragged if (OBJECTS[name].profile == profile) == belongs]
        return world.choice(names)

    def draw_texture(self, world: World, base: int, targets: tuple[int, ...], *, belongs: bool) -> str:
        worn = [] if belongs else [world.records[body].texture for body in targets]
        return world.choice([name for name in self.pools.dragged_textures if name not in worn])

    def prompt(self, world: World, cast: Cast) -> str:
        return "Put all objects with the same profile as {base_obj} into it."
