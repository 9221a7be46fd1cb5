"""Our own episodes as Habitat's files: what seeds draw, with the houses beside them."""

import json
from collections.abc import Iterable
from pathlib import Path

from envs.errors import EnvError
from envs.habitat.episodes import Episode, write_episodes
from envs.habitat.task import HabitatEnv

_FOLDER = "embedded"


def record_episodes(
    env: HabitatEnv, seeds: Iterable[int], path: str | Path, *, by_scene: bool = False
) -> None:
    """Write the episodes of seeds to a file, and their houses to `embedded/` beside it.

    Arguments:
        env: a Habitat environment that plays our houses (`gym.make(...).unwrapped`).
        seeds: each becomes an episode, named by its number.
        path: the episode file, .json.gz; `episodes=` plays it.
        by_scene: write one file for each house into `content/`.
    """
    path = Path(path)
    names: dict[str, str] = {}
    found: list[Episode] = []
    for seed in seeds:
        env.reset(seed=seed)
        house = env.house_json
        if house is None:
            raise EnvError("only episodes in our own houses can be recorded: leave episodes= out")
        text = json.dumps(house, separators=(",", ":"))
        if text not in names:
            names[text] = f"{_FOLDER}/house_{len(names):06d}.json"
            place = path.parent / names[text]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        found.append(env.episode(str(seed), names[text]))
    write_episodes(path, found, by_scene=by_scene)
