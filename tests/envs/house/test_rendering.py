"""Pictures against geometry: depth and segmentation meet what rays meet, nothing is mirrored, and what is
left out of a picture would not have been seen.
"""

import math

import mujoco
import numpy as np
import pytest

from envs.house.building.house_scene import house_scene
from envs.house.building.model import build_model
from envs.house.rendering import Camera, Renderer, looking
from envs.house.scene import Part, Scene, Surface, Thing
from envs.house.schema import read_house

RED, BLUE, GREY = (Surface((*colour, 1.0)) for colour in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9), (0.6, 0.6, 0.6)))


def box(id, position, size, surface=GREY, *, type="Wall", movable=False):
    return Thing(id, type, position, size, (Part("box", size, surface=surface),), movable=movable)


class Shown:
    """A scene with all that draws it."""

    def __init__(self, scene):
        self.scene, self.model = scene, build_model(scene)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)
        self.renderer = Renderer(self.model, self.data)

    def met(self, start, way):
        """The place of the thing whose surface a ray meets first, and how far away."""
        geom = np.full(1, -1, np.int32)
        drawn = np.array([1, 1, 0, 0, 0, 1], np.uint8)  # what is hidden from the last picture too
        far = mujoco.mj_ray(self.model, self.data, start, way, drawn, 1, -1, geom)
        return (-1, math.inf) if far < 0 else (int(self.model.geom_user[geom[0], 0]), far)


def rays(camera, axes):
    """Directions (H, W, 3) through the pixels' middles, of length 1 along the optical axis."""
    up = math.tan(math.radians(camera.vertical_fov) / 2)
    x = (np.arange(camera.width) + 0.5) / camera.width * 2 - 1
    y = 1 - (np.arange(camera.height) + 0.5) / camera.height * 2
    right, above = x * up * camera.width / camera.height, y * up
    return right[None, :, None] * axes[:, 0] + above[:, None, None] * axes[:, 1] - axes[:, 2]


@pytest.fixture(scope="module")
def box_room():
    low, high, t = np.array([-2.0, -1.5, 0.0]), np.array([2.0, 1.5, 2.6]), 0.1
    middle, size = (low + high) / 2, high - low
    things = []
    for axis in range(3):
        for side, edge in ((-1, low[axis]), (1, high[axis])):
            position, extent = middle.copy(), size + 2 * t
            position[axis], extent[axis] = edge + side * t / 2, t
            kind = "Wall" if axis < 2 else ("Floor" if side < 0 else "Ceiling")
            things.append(box(f"{axis} {side}", tuple(position), tuple(extent), type=kind))
    return Shown(Scene(tuple(things))), low, high


@pytest.mark.parametrize("yaw", [0.0, 0.7, 2.2, 4.4])
def test_depth_in_a_box_room_is_that_of_its_planes(box_room, yaw):
    shown, low, high = box_room
    camera, eye, axes = Camera(96, 72, 70), np.array([0.6, -0.4, 1.3]), looking(yaw, -0.25)
    way = rays(camera, axes)
    with np.errstate(divide="ignore"):
        expected = np.maximum((low - eye) / way, (high - eye) / way).min(-1)
    depth = shown.renderer.view(camera, eye, axes, rgb=False, depth=True).depth
    assert np.abs(depth - expected).max() < 1e-3


def test_depth_is_the_same_with_and_without_colours(box_room):
    shown, *_ = box_room
    camera, eye, axes = Camera(64, 64, 90), np.array([0.0, 0.0, 1.0]), looking(1.0, 0.0)
    alone = shown.renderer.view(camera, eye, axes, rgb=False, depth=True)
    both = shown.renderer.view(camera, eye, axes, rgb=True, depth=True, segmentation=True)
    np.testing.assert_array_equal(alone.depth, both.depth)
    assert alone.rgb is None and both.rgb.shape == (64, 64, 3) and both.rgb.dtype == np.uint8


def test_ceilings_are_left_out_from_above_and_seen_from_below(box_room):
    shown, *_ = box_room
    camera, ceiling = Camera(48, 48, 60), 5
    up = shown.renderer.view(camera, np.array([0, 0, 1.0]), looking(0, math.pi / 2), segmentation=True)
    assert (up.segmentation == ceiling).all()
    above, down = np.array([0, 0, 8.0]), looking(0, -math.pi / 2)
    seen = shown.renderer.view(camera, above, down, segmentation=True, ceilings=False, extent=4.0)
    assert ceiling not in seen.segmentation and seen.segmentation[24, 24] == 4  # the floor


@pytest.fixture(scope="module", params=["zg_4room_03", "zg_4room_02"])
def house(shared, request):
    house = read_house(shared / "fixtures" / "procthor" / f"{request.param}.json")
    return house, Shown(house_scene(house))


def poses(house, count, seed):
    """Eyes inside the house's rooms, looking anywhere."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        corners = np.array(house.rooms[rng.integers(len(house.rooms))].floor)
        place = rng.uniform(corners.min(0), corners.max(0))
        yield np.array([*place, rng.uniform(0.3, 2.0)]), looking(rng.uniform(0, 7), rng.uniform(-0.8, 0.5))


def test_what_is_seen_is_what_a_ray_meets(house):
    house, shown = house
    camera, rng, same, near, count = Camera(96, 96, 90), np.random.default_rng(5), 0, 0, 0
    for eye, axes in poses(house, 12, 3):
        view = shown.renderer.view(camera, eye, axes, rgb=False, depth=True, segmentation=True)
        way = rays(camera, axes)
        for row, column in rng.integers(0, 96, (60, 2)):
            length = np.linalg.norm(way[row, column])
            thing, far = shown.met(eye, way[row, column] / length)
            count += 1
            same += view.segmentation[row, column] == thing
            near += abs(view.depth[row, column] - far / length) < 0.01 * max(1.0, far)
    assert same > 0.985 * count  # the rest are pixels on edges
    assert near > 0.985 * count


def test_what_walls_hide_would_not_have_been_seen(house, monkeypatch):
    house, shown = house
    camera, hidden = Camera(96, 96, 90), 0
    for eye, axes in poses(house, 15, 7):
        pictures = shown.renderer.view(camera, eye, axes, depth=True, segmentation=True)
        drawn = len(shown.renderer._order)
        with monkeypatch.context() as patch:
            patch.setattr(shown.renderer, "_shadows", lambda *_: (np.empty((0, 3)), np.empty((0, 1))))
            everything = shown.renderer.view(camera, eye, axes, depth=True, segmentation=True)
            hidden += len(shown.renderer._order) - drawn
        np.testing.assert_array_equal(pictures.rgb, everything.rgb)
        np.testing.assert_array_equal(pictures.depth, everything.depth)
        np.testing.assert_array_equal(pictures.segmentation, everything.segmentation)
    assert hidden > 200


def test_what_moves_out_from_behind_a_wall_is_seen():
    wall = box("wall", (0, 2, 1), (4, 0.1, 3))
    ball = box("thing", (0, 4, 1), (0.4, 0.4, 0.4), RED, movable=True)
    shown = Shown(Scene((wall, ball), lit=True))
    camera, eye, axes = Camera(64, 64, 60), np.array([0, 0, 1.0]), looking(0, 0)
    assert 1 not in shown.renderer.view(camera, eye, axes, segmentation=True).segmentation
    assert len(shown.renderer._order) == 1 + np.sum(shown.model.geom_user[shown.renderer._order, 0] == -1)
    body = mujoco.mj_name2id(shown.model, mujoco.mjtObj.mjOBJ_BODY, "thing")
    shown.model.body_pos[body] = (0, 1, 1)
    mujoco.mj_kinematics(shown.model, shown.data)
    seen = shown.renderer.view(camera, eye, axes, segmentation=True).segmentation
    assert seen[32, 32] == 1


@pytest.mark.parametrize(("place", "yaw", "red_right"), [((0, -3, 1), 0, True), ((0, 3, 1), math.pi, False)])
def test_right_is_right(place, yaw, red_right):
    """Red lies towards +x of blue: right of it for an eye that looks along +y, left for one looking back."""
    parts = (
        Part("box", (0.4, 0.4, 0.4), (0.5, 0, 0), surface=RED),
        Part("box", (0.4, 0.4, 0.4), (-0.5, 0, 0), surface=BLUE),
    )
    thing = Thing("two", "Two", (0, 0, 1), (1.4, 0.4, 0.4), parts, movable=True)
    shown = Shown(Scene((thing,)))
    rgb = shown.renderer.view(Camera(64, 64, 60), np.array(place, float), looking(yaw, 0)).rgb.astype(int)
    red = np.argwhere((rgb[..., 0] > 100) & (rgb[..., 2] < 80))[:, 1].mean()
    blue = np.argwhere((rgb[..., 2] > 100) & (rgb[..., 0] < 80))[:, 1].mean()
    assert (red > blue) == red_right and abs(red - blue) > 10


def test_a_door_is_one_door_from_both_rooms(house):
    """The handle lies on the same side of the world, so on opposite sides of the two pictures."""
    house, shown = house
    leaf = next(thing for thing in shown.scene.things if thing.type == "Doorway")
    place = shown.scene.things.index(leaf)
    handle = next(part for part in leaf.parts if part.size[2] < 0.1)
    sides = []
    for ahead in (1, -1):
        way = leaf.rotation[:, 1] * ahead
        eye = np.array(leaf.position) - 0.9 * way
        axes = looking(math.atan2(-way[0], way[1]), 0.0)
        seen = shown.renderer.view(Camera(96, 96, 90), eye, axes, segmentation=True).segmentation
        assert (seen[48, 40:56] == place).all()
        sides.append((leaf.rotation @ np.array(handle.position)) @ axes[:, 0])
    assert sides[0] * sides[1] < 0


def test_rooms_are_bright(house):
    """White is white, and no picture from inside a house is murky."""
    house, shown = house
    means = [
        shown.renderer.view(Camera(64, 64, 90), eye, looking(k * 1.3, -0.2)).rgb.mean()
        for k, (eye, _) in enumerate(poses(house, 12, 11))
    ]
    assert np.median(means) > 130
