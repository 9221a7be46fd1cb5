"""How fast houses are: `python -m benchmarks.house_env [--expert] [--workers 2] [--against …]`.

A scripted body walks and turns in generated, furnished houses of three to five rooms, in a process of its
own that imports `envs` alone and has one core. Printed are steps a second at 224 × 224 with colour, with
depth too and with segmentation too; milliseconds of a reset in a new house, its generation included, and of
one in the same house; and the peak of resident memory. The tiny scene is that of the recorded habitat-sim
(shared/fixtures/habitat_sim), which made 1,124 and 525 steps a second of it on such a core. Rates are of
processor time: on a shared machine the wall clock measures the neighbours. The first houses, which pay for
compiling shaders, count for memory only.

`--expert` lets the expert plan its way in every episode. `--workers 2` plays in one process and then in two
at once. `--against player` plays through the real Controller of ai2thor and our player too, and counts the
processor time of both. `--against molmospaces SCENE.xml` loads and draws a scene of MolmoSpaces, whose
simulator is MuJoCo and whose scenes are MJCF, in plain MuJoCo: what that package itself adds to a step
(physics, robot, observations) and to a reset comes on top.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import envs
from benchmarks import plain_mujoco
from envs.base import FIRST_HELD_OUT_SEED
from envs.habitat.embedded import EmbeddedSimulator
from envs.habitat.specs import CameraSpec

SIZE, LEVEL, FIRST = 224, "medium", FIRST_HELD_OUT_SEED
SENSORS = {"RGB": (), "RGB, depth": ("depth",), "RGB, depth, segmentation": ("depth", "segmentation")}
TARGETS = {"RGB": 200, "RGB, depth": 150, "RGB, depth, segmentation": 100}
KINDS = ("steps", "resets", "again")
TINY = {"RGB": 600, "RGB, depth": 400}
SCENE = Path(__file__).parents[1] / "../shared/fixtures/habitat_sim/house.json"
WARM_UP, STEPS = 2, 60
ONE_CORE = {"OMP_NUM_THREADS": "1", "LP_NUM_THREADS": "0"}
"""Of numpy, and of software OpenGL: the calling thread alone."""


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def make(sensors: tuple[str, ...], expert: bool) -> Any:
    return envs.suite("procthor").make("ObjectNav", LEVEL, size=SIZE, sensors=sensors, expert=expert)


def walk(seed: int) -> np.ndarray:
    """Return the script of an episode: ahead and turns, two to one."""
    return np.random.default_rng(seed).choice([1, 1, 2, 3], STEPS)


def play(env: Any, seeds: range, resets: list[float], steps: list[float], again: list[float]) -> None:
    """Play scripted episodes, each in another house, and begin each once more; note seconds of each call."""
    for seed in seeds:
        resets.append(_timed(env.reset, seed=seed)[0])
        for action in walk(seed):
            steps.append(_timed(env.step, int(action))[0])
        again.append(_timed(env.reset, seed=seed)[0])


def _timed(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[float, Any]:
    begin = time.process_time()
    result = call(*arguments, **named)
    return time.process_time() - begin, result


def measure(sensors: tuple[str, ...], houses: int, expert: bool) -> dict[str, Any]:
    """Measure an environment (in a process of its own)."""
    env = make(sensors, expert)
    resets, steps, again = [], [], []
    play(env, range(FIRST - WARM_UP, FIRST), [], [], [])
    play(env, range(FIRST, FIRST + houses), resets, steps, again)
    env.close()
    return {"resets": resets, "steps": steps, "again": again, "peak": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tiny(depth: bool, steps: int) -> float:
    """Return seconds of a step, an action of Habitat's and its pictures, in the recorded scene."""
    kinds = ("color", "depth") if depth else ("color",)
    cameras = [CameraSpec(kind, kind, SIZE, SIZE) for kind in kinds]
    simulator = EmbeddedSimulator(SCENE, cameras=cameras)
    simulator.stand(simulator.random_point(np.random.default_rng(0)))
    script = np.random.default_rng(0).choice(
        ["move_forward", "move_forward", "turn_left", "turn_right"], steps
    )
    spent = 0.0
    for number, move in enumerate(script.tolist()):
        begin = time.process_time()
        simulator.act(move)
        simulator.observe()
        spent += (time.process_time() - begin) * (number >= steps // 10)
    simulator.close()
    return spent / (steps - steps // 10)


def rates(episodes: int, ready: Any) -> tuple[float, float]:
    """Play once everybody is warm; return steps a second by the wall clock and by the processor's, resets
    included.
    """
    env = make((), False)
    play(env, range(FIRST - WARM_UP, FIRST), [], [], [])
    ready.wait()
    wall, spent = time.perf_counter(), time.process_time()
    play(env, range(FIRST, FIRST + episodes), [], [], [])
    wall, spent = time.perf_counter() - wall, time.process_time() - spent
    env.close()
    return episodes * STEPS / wall, episodes * STEPS / spent


def table_of_steps(houses: int, expert: bool) -> Table:
    """Measure every set of sensors."""
    title = f"{houses} houses, {STEPS} steps in each, {SIZE} × {SIZE}; p50 / p95" + ", expert" * expert
    table = Table(title=title)
    table.add_column("sensors")
    for name in ("steps/s", "wanted", "step ms", "new house ms", "same ms", "peak MB"):
        table.add_column(name, justify="right")
    for name, sensors in SENSORS.items():
        found = apart(measure, sensors, houses, expert)
        spans = ["{:.1f} / {:.1f}".format(*np.percentile(found[key], (50, 95)) * 1e3) for key in KINDS]
        rate = 1 / np.mean(found["steps"])
        table.add_row(name, f"{rate:.0f}", f"{TARGETS[name]}", *spans, f"{found['peak']:.0f}")
    return table


def lines_of_the_tiny_scene(steps: int) -> Iterator[str]:
    if not SCENE.exists():
        yield f"no {SCENE.name} of the recorded habitat-sim beside the checkout: its scene is not measured"
        return
    for name, wanted in TINY.items():
        rate = 1 / apart(tiny, "depth" in name, steps)
        yield f"tiny scene, {name}: {rate:.0f} steps/s ({wanted} wanted)"


def lines_of_workers(episodes: int, workers: int) -> Iterator[str]:
    """Compare one process with several at once, each with the same episodes."""
    totals = []
    for count in (1, workers):
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager, ProcessPoolExecutor(count, mp_context=context) as pool:
            ready = manager.Barrier(count)
            found = pool.map(rates, *zip(*[(episodes, ready)] * count, strict=True))
            totals.append(np.sum(list(found), axis=0))
        (wall, spent), name = totals[-1], f"{count} worker{'s' * (count > 1)}"
        yield f"{name}: {wall:.0f} steps/s by the wall clock, {spent:.0f} by processor time, resets included"
    wall, spent = totals[1] / totals[0]
    yield f"{workers} workers are {wall:.2f} x one by the wall clock, {spent:.2f} x by processor time"


def through_a_controller(steps: int) -> float:
    """Return seconds of processor time of an episode through a Controller, its player's among them."""
    from envs.house.thor.player.play import command_line

    env = envs.suite("procthor").make(
        "ObjectNav", LEVEL, size=SIZE, sensors=(), backend="ai2thor", executable=command_line()
    )
    env.reset(seed=FIRST)
    for number in range(steps):
        env.step(2 if number % 3 else 1)
        if not env.unwrapped.in_episode:
            env.reset(seed=FIRST)
    env.close()
    player = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + player.ru_utime + player.ru_stime


def line_of_the_player(steps: int) -> str:
    """Two episodes' difference, so that starting and the house do not count."""
    short, long = (apart(through_a_controller, count) for count in (20, 20 + steps))
    return f"through the Controller and our player: {steps / (long - short):.0f} steps/s, RGB and depth"


def line_of_molmospaces(scene: str | None, pictures: int) -> str:
    """Measure one of its scenes; without one, say how to get it."""
    if scene is None or not Path(scene).is_file():
        return (
            f"molmospaces: {'no scene was named' if scene is None else f'there is no file {scene}'}. "
            "`pip install molmo-spaces`; its resource manager puts scenes below $MLSPACES_ASSETS_DIR/scenes; "
            "name one of their .xml files: --against molmospaces SCENE.xml"
        )
    try:
        found = apart(plain_mujoco.measure, scene, SIZE, pictures)
    except ValueError as error:
        return f"molmospaces: MuJoCo does not load {scene}: {' '.join(str(error).split())}"
    return (
        f"molmospaces, {Path(scene).name} in plain MuJoCo: {found['load']:.2f} s to load, "
        f"{found['picture'] * 1e3:.1f} ms an RGB picture, {found['peak']:.0f} MB; what the package itself "
        "adds comes on top. Beside it: new house and step of the first row"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--houses", type=int, default=12)
    parser.add_argument("--expert", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--against", nargs="+", metavar=("WHAT", "SCENE"), default=[])
    options = parser.parse_args()
    what, scene = (*options.against, None, None)[:2]
    if what not in (None, "player", "molmospaces") or len(options.against) > 1 + (what == "molmospaces"):
        parser.error("--against takes player, or molmospaces SCENE.xml")
    os.environ.update(ONE_CORE)
    console = Console()
    console.print(f"{platform.machine()}, Python {platform.python_version()}")
    console.print(table_of_steps(options.houses, options.expert))
    for line in lines_of_the_tiny_scene(600):
        console.print(line)
    if what == "player":
        console.print(line_of_the_player(400))
    if what == "molmospaces":
        console.print(line_of_molmospaces(scene, 120))
    if options.workers > 1:
        for line in lines_of_workers(options.houses, options.workers):
            console.print(line)


if __name__ == "__main__":
    main()
