"""How objects look: they fill their boxes and never leave them, whatever the box; opening and lights show."""

import math

import mujoco
import numpy as np
import pytest

from envs.house.building.meshes import part_meshes
from envs.house.building.model import build_model
from envs.house.building.states import States
from envs.house.objects.looks import look_of
from envs.house.objects.looks.registry import LOOKS
from envs.house.objects.types import object_types
from envs.house.scene import Scene, Surface, Thing

TYPES = [kind for kind in object_types().values() if kind.look != "block"]
MOST_TRIANGLES = 900


def box_of(kind):
    width, height, depth = kind.size
    return width, depth, height


def corners(parts):
    return np.concatenate([mesh.corners.reshape(-1, 3) for mesh in part_meshes(parts)])


def gaps(kind, asset, size):
    """How far the parts stay inside of the box on each of its six sides; negative: they leave it."""
    points = corners(look_of(kind.look, asset, size))
    half = np.array(size) / 2
    return np.concatenate([half - points.max(0), half + points.min(0)])


def test_every_type_has_a_look_of_its_kind():
    assert {kind.look for kind in object_types().values()} == set(LOOKS)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_thing_fills_its_usual_box_and_does_not_leave_it(kind):
    size = box_of(kind)
    for variant in range(6):
        found = gaps(kind, f"{kind.name}_{variant}", size)
        assert found.min() > -1e-3
        assert (found <= np.tile(0.02 + 0.08 * np.array(size), 2)).all()


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_no_box_makes_a_thing_leave_it(kind):
    rng = np.random.default_rng(list(kind.name.encode()))
    for variant in range(12):
        size = np.array(box_of(kind)) * rng.uniform(0.3, 2.5, 3)
        size = tuple(rng.permutation(size).tolist() if variant % 3 == 0 else size.tolist())
        assert gaps(kind, f"{kind.name}_{variant}", size).min() > -1e-3


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_a_look_is_cheap_and_has_two_variants_at_least(kind):
    variants = [look_of(kind.look, f"{kind.name}_{k}", box_of(kind)) for k in range(40)]
    assert max(sum(len(mesh.corners) for mesh in part_meshes(parts)) for parts in variants) <= MOST_TRIANGLES
    textures = {part.surface.texture for parts in variants for part in parts} - {None}
    assert len(textures) <= 1
    one_of_a_kind = {"basketball", "blinds", "brush", "foil", "ladle", "rail", "roll", "shower", "switch"}
    assert (len(set(variants)) > 1) == (kind.look not in one_of_a_kind)


def test_an_asset_always_looks_the_same():
    look_of.cache_clear()
    first = look_of("sofa", "Sofa_203_1", (2.0, 0.9, 0.85))
    look_of.cache_clear()
    assert look_of("sofa", "Sofa_203_1", (2.0, 0.9, 0.85)) == first


def test_normals_point_out_of_convex_parts():
    for parts in (look_of("desk", "Desk_1", (1.3, 0.6, 0.75)), look_of("sofa", "Sofa_1", (2.0, 0.9, 0.85))):
        for part, mesh in zip(parts, part_meshes(parts), strict=True):
            a, b, c = mesh.corners.transpose(1, 0, 2)
            faces = np.cross(b - a, c - a)
            outwards = mesh.corners.mean(1) - np.array(part.position)
            assert (np.einsum("fi,fi->f", faces, outwards) > -1e-7).all()
            assert (np.einsum("fki,fi->fk", mesh.normals, outwards) > -1e-4).all()


OPENING = ["Fridge", "Microwave", "Laptop", "Box", "Book", "Safe", "WashingMachine", "ClothesDryer", "Toilet"]
OPENING += ["LaundryHamper", "Kettle"]
LIGHTING = ["Television", "Desktop", "CellPhone", "Laptop", "DeskLamp", "FloorLamp", "Candle", "Microwave"]
LIGHTING += ["CoffeeMachine", "StoveBurner", "WashingMachine", "ClothesDryer"]


@pytest.fixture(scope="module")
def shown():
    things = []
    for place, kind in enumerate(TYPES):
        size = box_of(kind)
        parts = look_of(kind.look, f"{kind.name}_3", size)
        things.append(Thing(kind.name, kind.name, (3.0 * place, 0, 1), size, parts, movable=True))
    scene = Scene(tuple(things))
    model = build_model(scene)
    return scene, model, States(model)


def test_what_can_open_shows_it_and_nothing_else(shown):
    scene, _, states = shown
    found = {thing.type for place, thing in enumerate(scene.things) if states.opens(place)}
    assert found == set(OPENING)


def test_what_can_be_switched_on_shows_it(shown):
    scene, _, states = shown
    found = {thing.type for place, thing in enumerate(scene.things) if states.lights(place)}
    assert found == set(LIGHTING)


def moved(model, scene, place):
    """Where the corners of a thing's drawn pieces are, in its frame."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    found = []
    for geom in np.flatnonzero(model.geom_user[:, 0] == place):
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = model.geom_dataid[geom]
            first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            points = model.mesh_vert[first : first + count]
            world = points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
            found.append(world - np.array(scene.things[place].position))
    return np.concatenate(found)


def test_a_fridge_opens_to_its_front(shown):
    scene, model, states = shown
    place = next(k for k, thing in enumerate(scene.things) if thing.type == "Fridge")
    depth = scene.things[place].size[1]
    closed = moved(model, scene, place)
    states.show_open(place, 1.0)
    opened = moved(model, scene, place)
    states.show_open(place, 0.0)
    assert closed[:, 1].max() < depth / 2 + 1e-3
    assert opened[:, 1].max() > depth / 2 + 0.3  # the door sticks out
    assert opened[:, 1].min() > -depth / 2 - 1e-3
    np.testing.assert_allclose(moved(model, scene, place), closed, atol=1e-6)


def test_a_laptop_closes_flat(shown):
    scene, model, states = shown
    place = next(k for k, thing in enumerate(scene.things) if thing.type == "Laptop")
    height = scene.things[place].size[2]
    opened = moved(model, scene, place)
    states.show_open(place, 0.0)
    closed = moved(model, scene, place)
    states.show_open(place, 1.0)
    assert opened[:, 2].max() == pytest.approx(height / 2, abs=0.01)
    assert closed[:, 2].max() < -height / 2 + 0.06
    assert closed[:, 2].min() > -height / 2 - 1e-3


def test_a_door_turns_about_its_hinge_by_its_angle(shown):
    scene, model, states = shown
    place = next(k for k, thing in enumerate(scene.things) if thing.type == "Safe")
    hinge = next(part.hinge for part in scene.things[place].parts if part.hinge)
    geom = next(g for g in np.flatnonzero(model.geom_user[:, 0] == place) if model.geom_user[g, 5])
    before = model.geom_pos[geom] - np.array(hinge.point)
    states.show_open(place, 0.5)
    after = model.geom_pos[geom] - np.array(hinge.point)
    states.show_open(place, 0.0)
    assert np.linalg.norm(after[:2]) == pytest.approx(np.linalg.norm(before[:2]))
    cosine = before[:2] @ after[:2] / np.linalg.norm(before[:2]) ** 2
    assert math.acos(cosine) == pytest.approx(hinge.angle / 2)


def test_a_screen_changes_its_colour_and_back(shown):
    scene, model, states = shown
    place = next(k for k, thing in enumerate(scene.things) if thing.type == "Television")
    surface: Surface = next(part.surface for part in scene.things[place].parts if part.surface.off)
    geoms = np.flatnonzero(model.geom_user[:, 0] == place)

    def colours():
        kept = [geom for geom in geoms if model.geom_matid[geom] >= 0]
        rows = model.mat_rgba[model.geom_matid[kept]].tolist()
        return {tuple(round(value, 3) for value in row) for row in rows}

    dark = colours()
    states.show_on(place, True)
    bright = colours()
    states.show_on(place, False)
    assert surface.off in dark and surface.colour not in dark
    assert surface.colour in bright and surface.off not in bright
    assert colours() == dark
