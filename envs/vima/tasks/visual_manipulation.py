"""Put one object into another (VIMA-Bench's task 01)."""

from itertools import product

from envs.assets import PromptAssets
from envs.vima.levels import Pools
from envs.vima.table.world import World
from envs.vima.tasks.base import EXCHANGES, Cast, Task, exchange_textures, object_assets
from envs.vima.tasks.goals import Goal


class VisualManipulation(Task):
    """`Put the {dragged_obj_1} into the {base_obj}.` One object, one base, one distractor of either kind."""

    name = "visual_manipulation"
    oracle_max_steps = 3
    sequential = True
    difficulties = EXCHANGES

    def spawn(self, world: World) -> Cast:
        rng = world.rng
        pools = exchange_textures(self.pools, self.settings["exchanged"], rng)
        base_texture = world.choice(pools.base_textures)
        (index,) = rng.choice(len(pools.dragged_textures), size=1)
        dragged_texture = pools.dragged_textures[index]

        def of(names: tuple[str, ...], texture: str):
            def draw():
                name = world.choice(names)
                return name, texture, world.draw_size(name)

            return draw

        base = world.try_place(of(pools.bases, base_texture))
        dragged = world.try_place(of(pools.dragged, dragged_texture), away_from=[base])
        pairs = self.distractor_pairs(world, pools, base, dragged)

        def draw_distractor():
            name, texture = world.choice(pairs)
            return name, texture, world.draw_size(name)

        distractor = world.try_place(draw_distractor, away_from=[base, dragged], attempts=11)
        return Cast(roles={"base": (base,), "dragged": (dragged,)}, distractors=(distractor,))

    def distractor_pairs(self, world: World, pools: Pools, base: int, dragged: int) -> list[tuple[str, str]]:
        """Return every (object, texture) the distractor may be."""
        used = {(world.records[body].name, world.records[body].texture) for body in (base, dragged)}
        every = product((*pools.dragged, *pools.bases), (*pools.dragged_textures, *pools.base_textures))
        return [pair for pair in every if pair not in used]

    def prompt(self, world: World, cast: Cast) -> str:
        return "Put the {dragged_obj_1} into the {base_obj}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        return object_assets(world, {"base_obj": cast.one("base"), "dragged_obj_1": cast.one("dragged")})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        return [Goal(objects=cast.roles["dragged"], targets=(world.centre(cast.one("base")),))]
