"""The picture of docs/houses.md, drawn by our own simulator: `python docs/house_images.py`."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from envs.house.generator import generate_house
from envs.house.rendering import Camera, looking
from envs.house.simulator import HouseSimulator, Stance

HERE = Path(__file__).parent
SEED, SPEC = 12, "4-room"
SIDE, GAP, EYE = 432, 8, 1.576


def main() -> None:
    simulator = HouseSimulator.of_house(generate_house(SEED, SPEC))
    pictures = [_above(simulator), *(_inside(simulator, stance) for stance in _stances(simulator))]
    rows = [np.concatenate(pictures[k : k + 2], 1) for k in (0, 2)]
    Image.fromarray(np.concatenate(rows)).save(HERE / "images" / "houses.png", optimize=True)
    simulator.close()


def _above(simulator: HouseSimulator) -> np.ndarray:
    points = simulator.grid.points
    low, high = points.min(0), points.max(0)
    extent = 1.15 * float((high - low).max()) + 0.5
    eye = np.array([*(low + high) / 2, 30.0])
    camera = Camera(SIDE, SIDE, 65.0)
    view = simulator.renderer.view(camera, eye, looking(0.0, -math.pi / 2), ceilings=False, extent=extent)
    return _framed(view.rgb)


def _inside(simulator: HouseSimulator, stance: Stance) -> np.ndarray:
    simulator.stand(stance)
    return _framed(simulator.view(Camera(SIDE, SIDE, 65.0)).rgb)


def _stances(simulator: HouseSimulator, count: int = 3) -> list[Stance]:
    """Places in different rooms from which most things are in sight, each with its best direction."""
    cells, camera = simulator.grid.points, Camera(64, 64, 65.0)
    found: list[tuple[int, Stance]] = []
    for x, y in cells[:: max(1, len(cells) // 120)]:
        for yaw in np.arange(8) * math.pi / 4:
            stance = Stance(float(x), float(y), float(yaw), -0.2, EYE)
            simulator.stand(stance)
            seen = np.unique(simulator.view(camera, rgb=False, segmentation=True).segmentation)
            things = [simulator.scene.things[number] for number in seen if number >= 0]
            found.append((sum(thing.movable for thing in things), stance))
    chosen: list[Stance] = []
    for _, stance in sorted(found, key=lambda each: -each[0]):
        if all(np.linalg.norm(stance.point - other.point) > 3.0 for other in chosen):
            chosen.append(stance)
        if len(chosen) == count:
            break
    return chosen


def _framed(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
