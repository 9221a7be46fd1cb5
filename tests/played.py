"""A page of `uio2 play` that is served from a thread, and where the expert would drag things on it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import envs
from envs.vima import VimaEnv
from envs.vima.suite import PLAY_IMAGE_SIZE
from envs.vima.table.camera import CAMERAS
from rollouts.commands.play import Game, Server
from rollouts.played import PlayedEpisodes
from rollouts.runner import Work
from rollouts.workers import MakeEnv


@contextmanager
def served(env: str, task: str, level: str, seed: int, record: Path | None = None) -> Iterator[str]:
    """Serve an episode; yield the page's address."""
    work = Work(index=0, env=env, task=task, level=level, seed=seed)
    options = envs.suite(env).play_options({})
    kept = None if record is None else PlayedEpisodes(record, env, task, level, MakeEnv(), {})
    game = Game(lambda: MakeEnv(options)(work), seed, kept)
    with Server(game, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()
            game.close()


def dragged(task: str, seed: int) -> list[tuple[float, float]]:
    """Return where the expert's first action begins and ends in the picture, (across, down) from 0 to 1."""
    action = VimaEnv(task, "placement", expert=True).reset(seed=seed)[1]["expert_action"]
    camera, points = CAMERAS["top"].fitted(*PLAY_IMAGE_SIZE), []
    for place in ("pose0_position", "pose1_position"):
        row, column = camera.project((*action[place], 0.0), *PLAY_IMAGE_SIZE)
        points.append((float(column) / PLAY_IMAGE_SIZE[1], float(row) / PLAY_IMAGE_SIZE[0]))
    return points
