"""Find the object by the texture it wears in a picture of another scene (VIMA-Bench's task 02)."""

from envs.assets import PromptAssets
from envs.errors import SpawnError
from envs.poses import Pose, Vector
from envs.vima.levels import Pools
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import EXCHANGES, Cast, Task, exchange_textures
from envs.vima.tasks.goals import Goal


class SceneUnderstanding(Task):
    """`Put the <texture> object in {scene} into the <texture> object.`

    The distractor is another shape in the object's texture, or another texture on the base's shape. The
    picture shows the object and one other at poses of their own.
    """

    name = "scene_understanding"
    oracle_max_steps = 3
    difficulties = EXCHANGES

    def spawn(self, world: World) -> Cast:
        rng = world.rng
        pools = exchange_textures(self.pools, self.settings["exchanged"], rng)
        while True:
            base_texture = world.choice(pools.base_textures)
            dragged_texture = world.choice(pools.dragged_textures)
            if base_texture != dragged_texture:
                break

        def of(names: tuple[str, ...], texture: str):
            def draw():
                (index,) = rng.choice(len(names), size=1, replace=False)
                return names[index], texture, world.draw_size(names[index])

            return draw

        base = world.try_place(of(pools.bases, base_texture))
        dragged = world.try_place(of(pools.dragged, dragged_texture), away_from=[base])
        rng.shuffle([0])  # upstream shuffles its list of one goal
        distractor = self._place_distractor(world, pools, base, dragged)
        others = self._draw_picture(world, pools, dragged)
        return Cast(
            roles={"base": (base,), "dragged": (dragged,)},
            values={"picture": others},
            distractors=(distractor,),
        )

    def _place_distractor(self, world: World, pools: Pools, base: int, dragged: int) -> int:
        base_name, base_texture = world.records[base].name, world.records[base].texture
        dragged_name, dragged_texture = world.records[dragged].name, world.records[dragged].texture
        shapes = [name for name in pools.dragged if name != dragged_name]
        textures = [t for t in (*pools.dragged_textures, *pools.base_textures) if t != base_texture]
        for _ in range(21):
            is_base = world.rng.random() >= 0.5
            if not is_base and not shapes:  # a pool of one shape has no other shape to distract with
                continue
            name = base_name if is_base else world.choice(shapes)
            size = world.draw_size(name)
            pose = world.draw_pose(size)
            texture = world.choice(textures) if is_base else dragged_texture
            if pose is not None and world.is_clear(name, size, pose, [base, dragged]):
                return world.add(name, texture, pose, size)
        raise SpawnError("no free place for the distractor after 21 attempts")

    def _draw_picture(self, world: World, pools: Pools, dragged: int) -> dict:
        """Draw where the prompt's picture shows the object and its companion; these draws end the reset."""
        record = world.records[dragged]
        pose = world.draw_picture_pose([], record.size)
        shown = [(record.name, record.texture, record.size, pose)]
        objects = (*pools.dragged, *pools.bases)
        textures = [t for t in (*pools.dragged_textures, *pools.base_textures) if t != record.texture]
        for _ in range(ATTEMPTS):
            (index,) = world.rng.choice(len(objects), size=1)
            (texture_index,) = world.rng.choice(len(textures), size=1)
            name, texture = objects[index], textures[texture_index]
            size = world.draw_size(name)
            other = world.draw_picture_pose(shown, size)
            if other is not None:
                return {"pose": pose, "companion": (name, texture, size, other)}
        raise SpawnError("no free place in the prompt's picture")

    def prompt(self, world: World, cast: Cast) -> str:
        dragged, base = (world.records[cast.one(role)].texture for role in ("dragged", "base"))
        return f"Put the {dragged} object in {{scene}} into the {base} object."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        record, picture = world.records[cast.one("dragged")], cast.values["picture"]
        shown: list[tuple[str, str, Vector, Pose]] = [
            (record.name, record.texture, record.size, picture["pose"]),
            picture["companion"],
        ]
        return PromptAssets({"scene": world.picture(shown)})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        return [Goal(objects=cast.roles["dragged"], targets=(world.centre(cast.one("base")),))]
