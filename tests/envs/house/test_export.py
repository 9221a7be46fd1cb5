"""A house that went out is the same house: read back by trimesh and by plain MuJoCo, measured with rays and
against the house file; and AI2-THOR's JSON has only AI2-THOR's assets.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from envs.house.building.boxes import parse_boxes
from envs.house.building.house_scene import house_scene
from envs.house.building.model import CEILING, VISUAL
from envs.house.errors import HouseError
from envs.house.export.ai2thor import for_ai2thor, known_assets
from envs.house.export.habitat import dataset_files, stage_files
from envs.house.export.mjcf import house_mjcf
from envs.house.generator import generate_house
from envs.house.objects.sizes import AssetSizes
from envs.house.schema import House, parse_house, read_house
from envs.house.schema.polygons import signed_area
from envs.house.simulator import HouseSimulator
from rollouts.cli import main

TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
RAYS = 10_000
NEVER = 1e3


def real(shared: Path) -> House:
    return read_house(shared / "fixtures/procthor/zg_4room_03.json")


@pytest.fixture(scope="module")
def opened() -> House:
    """A house with laptops, a fridge and doors ajar, and lamps that are lit."""
    found = copy.deepcopy(dict(generate_house(3, "4-room").json))
    for record in _all(found["objects"]):
        kind = record["assetId"].partition("_")[0]
        if kind in ("Laptop", "Fridge"):
            record["openness"] = 0.6
        if kind in ("DeskLamp", "FloorLamp", "Television"):
            record["isOn"] = True
    for door in found["doors"]:
        door["openness"] = 0.4 if door.get("openness") else 0.0
    return parse_house(found, "opened")


def _all(records: list[dict]) -> Iterator[dict]:
    for record in records:
        yield record
        yield from _all(record.get("children") or [])


def _rays(house: House) -> tuple[np.ndarray, np.ndarray]:
    """Points in rooms, 0.3 to 2.4 m up, and directions; (RAYS, 3) each, z up."""
    rng = np.random.default_rng(0)
    corners = np.concatenate([room.floor for room in house.rooms])
    ways = rng.normal(size=(RAYS, 3))
    starts = rng.uniform((*corners.min(0), 0.3), (*corners.max(0), 2.4), (RAYS, 3))
    return starts, ways / np.linalg.norm(ways, axis=1)[:, None]


def _met_in_model(model: mujoco.MjModel, starts: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """How far each ray goes until it meets what is drawn of the house; NEVER where it leaves it."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    groups = np.zeros(6, np.uint8)
    groups[[VISUAL, CEILING]] = 1
    names = [model.mesh(id).name if id >= 0 else "" for id in model.geom_dataid]
    model.geom_group[[name.startswith(("shadow", "outside")) for name in names]] = 5
    geom = np.zeros(1, np.int32)
    met = [
        mujoco.mj_ray(model, data, start, way, groups, 1, -1, geom)
        for start, way in zip(starts, ways, strict=True)
    ]
    return np.where(np.array(met) < 0, NEVER, met)


def _met_in_triangles(scene, starts: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """The same in a trimesh scene, by the formula of Möller and Trumbore, node after node."""
    found = np.full(len(starts), NEVER)
    for node in scene.graph.nodes_geometry:
        pose, geometry = scene.graph[node]
        triangles = scene.geometry[geometry].triangles @ pose[:3, :3].T + pose[:3, 3]
        low, high = triangles.min((0, 1)) - 1e-6, triangles.max((0, 1)) + 1e-6
        with np.errstate(divide="ignore", invalid="ignore"):
            slabs = np.sort([(low - starts) / ways, (high - starts) / ways], axis=0)
        near = np.flatnonzero(slabs[0].max(1) <= np.minimum(slabs[1].min(1), found))
        for rays in np.array_split(near, max(1, len(near) * len(triangles) // 200_000)):
            start, way = starts[rays, None], ways[rays, None]
            a, u, v = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
            across = np.cross(way, v)
            with np.errstate(divide="ignore", invalid="ignore"):
                scale = 1 / (across * u).sum(-1)
                p = (across * (start - a)).sum(-1) * scale
                over = np.cross(start - a, u)
                q = (over * way).sum(-1) * scale
                far = (over * v).sum(-1) * scale
            hit = (p >= -1e-6) & (q >= -1e-6) & (p + q <= 1 + 1e-6) & (far > 0)
            found[rays] = np.minimum(found[rays], np.where(hit, far, np.inf).min(1, initial=np.inf))
    return found


def _glb(files: dict[str, bytes], folder: Path):
    trimesh = pytest.importorskip("trimesh")
    (folder / "house.glb").write_bytes(files["house.glb"])
    return trimesh.load(folder / "house.glb")


def _corners(scene, node: str) -> np.ndarray:
    pose, geometry = scene.graph[node]
    return scene.geometry[geometry].vertices @ pose[:3, :3].T + pose[:3, 3]


def test_trimesh_reads_the_same_walls_and_floors(shared: Path, tmp_path: Path) -> None:
    house = real(shared)
    scene = _glb(stage_files(house_scene(house), house), tmp_path)
    for room in house.rooms:
        pose, geometry = scene.graph[room.id]
        mesh = scene.geometry[geometry]
        up = mesh.face_normals @ pose[:3, :3].T @ [0, 1, 0] > 0.999
        assert mesh.area_faces[up].sum() == pytest.approx(abs(signed_area(room.floor)), abs=1e-3)
        corners = _corners(scene, room.id)
        ring = np.array(room.floor)
        assert corners[:, 1].max() == pytest.approx(0, abs=1e-6)
        assert corners[:, 1].min() == pytest.approx(-0.199, abs=1e-6), "a floor of a mesh at height 0"
        assert np.allclose([corners[:, 0].min(), -corners[:, 2].max()], ring.min(0), atol=1e-3)
        assert np.allclose([corners[:, 0].max(), -corners[:, 2].min()], ring.max(0), atol=1e-3)
    walls = [wall for wall in house.walls if not wall.empty]
    for wall in walls:
        corners = np.concatenate([_corners(scene, node) for node in _below(scene, wall.id)])
        ends = np.sort([wall.start, wall.end], axis=0)
        along = int(np.argmax(ends[1] - ends[0]))
        span = corners[:, 0] if along == 0 else -corners[:, 2]
        assert np.allclose([span.min(), span.max()], ends[:, along], atol=1e-3), wall.id
        assert np.allclose([corners[:, 1].min(), corners[:, 1].max()], [0, wall.height], atol=1e-3)
    objects = {record.id for record, _ in house.every_object()}
    assert objects <= set(scene.graph.nodes), "nodes carry the ids of objects"


def _below(scene, node: str) -> list[str]:
    """The nodes with triangles that a thing's node has; several where it has several materials."""
    return [each for each in scene.graph.nodes_geometry if each == node or each.startswith(f"{node}_")]


@pytest.mark.parametrize("format", ["glb", "mjcf"])
def test_rays_meet_the_same(format: str, opened: House, tmp_path: Path) -> None:
    starts, ways = _rays(opened)
    here = _met_in_model(HouseSimulator.of_house(opened).model, starts, ways)
    if format == "glb":
        scene = _glb(stage_files(house_scene(opened), opened), tmp_path)
        there = _met_in_triangles(scene, starts @ TO_Y_UP.T, ways @ TO_Y_UP.T)
    else:
        for name, content in house_mjcf(HouseSimulator.of_house(opened)).items():
            (tmp_path / name).write_bytes(content)
        there = _met_in_model(mujoco.MjModel.from_xml_path(str(tmp_path / "house.xml")), starts, ways)
    assert (here < NEVER).mean() > 0.9
    unlike = np.abs(here - there) > 0.01
    assert unlike.mean() <= 5e-4, f"{unlike.sum()} of {RAYS} rays: {here[unlike][:5]} and {there[unlike][:5]}"


def test_colours_are_those_of_the_simulator(opened: House, tmp_path: Path) -> None:
    """A glTF picture holds what is seen; MuJoCo tints a grey one. Lamps are lit in both."""
    played = HouseSimulator.of_house(opened).model
    for name, content in house_mjcf(HouseSimulator.of_house(opened)).items():
        (tmp_path / name).write_bytes(content)
    written = mujoco.MjModel.from_xml_path(str(tmp_path / "house.xml"))
    drawn = played.geom_matid >= 0
    assert np.allclose(
        played.mat_rgba[played.geom_matid[drawn]], written.mat_rgba[written.geom_matid[drawn]], atol=1e-4
    )
    assert (played.tex_data == written.tex_data).all()
    scene = _glb(stage_files(house_scene(opened), opened), tmp_path)
    for room in opened.rooms:
        geom = played.geom_dataid.tolist().index(played.mesh(f"{room.id} 0").id)
        material = played.geom_matid[geom]
        texture = played.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB]
        first, size = played.tex_adr[texture], played.tex_height[texture] * played.tex_width[texture] * 3
        seen = played.tex_data[first : first + size].reshape(-1, 3).mean(0) * played.mat_rgba[material, :3]
        picture = scene.geometry[scene.graph[room.id][1]].visual.material.baseColorTexture
        assert np.allclose(np.asarray(picture).reshape(-1, 3).mean(0), seen, atol=0.5)


def test_every_corner_has_a_colour_of_its_thing(opened: House, tmp_path: Path) -> None:
    """Where many colours share a picture, each corner points at its own."""
    house = house_scene(opened)
    scene = _glb(stage_files(house, opened), tmp_path)
    checked = 0
    for thing in house.things:
        plain = {part.surface.colour for part in thing.parts if part.surface.texture is None}
        if thing.movable and len(plain) > 2:
            known = np.round(255 * np.array([colour[:3] for colour in plain]))
            for node in _below(scene, thing.id):
                visual = scene.geometry[scene.graph[node][1]].visual
                if (
                    visual.material.baseColorTexture.size == (256, 256)
                    and np.ptp(visual.uv, axis=0).max() < 1
                ):
                    seen = visual.material.to_color(visual.uv)[:, None, :3].astype(int)
                    assert (np.abs(seen - known).max(-1).min(1) <= 1).all(), thing.id
                    checked += len(seen)
    assert checked > 1000


def test_boxes_become_the_stage_that_habitat_sim_was_given(shared: Path, tmp_path: Path) -> None:
    folder = shared / "fixtures/habitat_sim"
    boxes = json.loads((folder / "house.json").read_text())
    files = stage_files(parse_boxes(boxes, "house.json"))
    assert json.loads(files["house.stage_config.json"]) == json.loads(
        (folder / "house.stage_config.json").read_text()
    )
    scene, given = _glb(files, tmp_path), pytest.importorskip("trimesh").load(folder / "house.glb")
    assert np.allclose(scene.bounds, given.bounds, atol=1e-3)
    rng = np.random.default_rng(0)
    starts, ways = rng.uniform((-3, 0, -2), (3, 2.5, 2), (2000, 3)), rng.normal(size=(2000, 3))
    assert (
        np.abs(_met_in_triangles(scene, starts, ways) - _met_in_triangles(given, starts, ways)).max() < 1e-3
    )
    for box in boxes["boxes"]:
        corners = _corners(scene, box["name"])
        low, high = (np.array(box["center"]) + side * np.array(box["size"]) / 2 for side in (-1, 1))
        assert np.allclose([corners.min(0), corners.max(0)], [low, high], atol=1e-4)
        picture = scene.geometry[scene.graph[box["name"]][1]].visual.material.baseColorTexture
        assert np.allclose(np.asarray(picture)[0, 0] / 255, box["color"], atol=0.5 / 255)


def test_settings_are_habitat_sims(shared: Path) -> None:
    """The same keys as in a file that habitat-sim wrote."""
    written = json.loads((shared / "fixtures/habitat/test_navmeshsettings.json").read_text())
    files = stage_files(house_scene(generate_house(1, "bedroom"))) | dataset_files()
    assert json.loads(files["house.navmesh_settings.json"]).keys() == written.keys()
    instance = json.loads(files["house.scene_instance.json"])
    assert f"{instance['stage_instance']['template_name']}.stage_config.json" in files


@pytest.fixture(scope="module")
def known(shared: Path) -> AssetSizes:
    return AssetSizes.read(shared / "fixtures/procthor/asset_boxes.json")


@pytest.mark.parametrize("seed", range(4))
def test_ai2thor_is_given_its_own_assets_only(seed: int, known: AssetSizes, shared: Path) -> None:
    house = generate_house(seed, "4-room")
    made = for_ai2thor(house, known)
    there = parse_house(made.json, "exported")
    table = json.loads((shared / "fixtures/procthor/asset_boxes.json").read_text())
    before = {record.id: record for record, _ in house.every_object()}
    assert made.exchanged.total() + made.left_out.total() == len(before)
    for record, parent in there.every_object():
        box = table[record.asset]
        old = before[record.id]
        assert box["type"] == AssetSizes().type(old.asset).name
        bottom = old.position[1] - AssetSizes().box(old.asset)[1] / 2
        if parent is None and bottom < 0.05:
            assert record.position[1] - box["size"][1] / 2 == pytest.approx(bottom, abs=1e-3), "on the floor"
        if parent is not None:
            away = np.subtract(record.position, parent.position)[[0, 2]]
            reach = np.hypot(*np.array(table[parent.asset]["size"])[[0, 2]]) / 2
            assert np.hypot(*away) < reach, "what stands on it still does"
    assert {each.asset for each in (*there.doors, *there.windows)} <= table.keys()
    assert (there.rooms, there.walls, there.start) == (house.rooms, house.walls, house.start)


def test_what_ai2thor_wrote_stays_as_it_is(known: AssetSizes, shared: Path) -> None:
    house = real(shared)
    assert for_ai2thor(house, known).json == for_ai2thor(house, None).json == house.json


def test_an_asset_that_ai2thor_lacks_is_left_out_with_what_stands_on_it(
    known: AssetSizes, shared: Path
) -> None:
    found = copy.deepcopy(dict(real(shared).json))
    record = next(each for each in found["objects"] if each.get("children"))
    record["assetId"] = "Spaceship_1"
    made = for_ai2thor(parse_house(found, "found"), known)
    assert made.left_out.total() == 1 + len(list(_all(record["children"])))
    assert len(made.json["objects"]) == len(found["objects"]) - 1


def test_a_generated_house_needs_a_table() -> None:
    with pytest.raises(HouseError, match=r"AI2-THOR has no asset .* assets=FILE"):
        for_ai2thor(generate_house(1, "bedroom"), None)


def test_procthors_own_table_is_understood(tmp_path: Path) -> None:
    row = {"assetId": "Bed_1", "objectType": "Bed", "boundingBox": {"x": 1.4, "y": 0.9, "z": 2.2}}
    (tmp_path / "assets.json").write_text(json.dumps({"Bed": [row]}))
    table = known_assets(tmp_path / "assets.json")
    assert table.known("Bed") == {"Bed_1": (1.4, 0.9, 2.2)} and "Bed_1" in table and "Bed_2" not in table


# the command


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["house", "export", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("source", "words", "written"),
    [
        (
            "3",
            ["--to", "glb", "spec=bedroom"],
            {"house.glb", "house.stage_config.json", "house.navmesh_settings.json"},
        ),
        ("seed:3", ["--to=mjcf", "spec=bedroom"], {"house.xml", "palette.png"}),
        ("habitat_sim/house.json", ["to=habitat"], {"house.glb", "house.scene_dataset_config.json"}),
        (
            "procthor/cc_kitchenliving_schema_0_0_1.json",
            ["--to", "procthor", "--from", "procthor"],
            {"house.json"},
        ),
    ],
)
def test_the_command_writes(
    source: str,
    words: list[str],
    written: set[str],
    shared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = str(shared / "fixtures" / source) if "/" in source else source
    assert main(["house", "export", source, *words, f"output={tmp_path / 'out'}"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert written <= names
    said = capsys.readouterr().out
    assert all(str(tmp_path / "out" / name) in said for name in names)


def test_an_upgraded_house_is_written_as_schema_1(shared: Path, tmp_path: Path) -> None:
    source = shared / "fixtures/procthor/cc_kitchenliving_schema_0_0_1.json"
    table = shared / "fixtures/procthor/asset_boxes.json"
    main(["house", "export", str(source), "--to", "procthor", f"assets={table}", f"output={tmp_path}"])
    written = json.loads((tmp_path / "house.json").read_text())
    expected = json.loads((shared / "fixtures/procthor/cc_kitchenliving_schema_1_0_0.json").read_text())
    assert written["metadata"]["schema"] == "1.0.0" and written["objects"] == expected["objects"]


def test_what_cannot_be_exported_is_told_in_one_line(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = shared / "fixtures/habitat_sim/house.json"
    empty = shared / "fixtures/procthor/holodeck_empty_house.json"
    out = f"output={tmp_path}"
    assert "boxes tell no rooms" in _said(capsys, str(boxes), "--to", "procthor", out)
    assert "is not understood" in _said(capsys, str(boxes), "--to", "glb", "--from", "procthor", out)
    assert "lacks 'boxes'" in _said(capsys, str(empty), "--to", "glb", "--from", "habitat", out)
    assert "nothing to write" in _said(capsys, str(empty), "--to", "glb", out)
    (tmp_path / "nan.json").write_text('{"boxes": [{"name": "a", "center": [0, NaN, 0]}]}')
    assert "NaN" in _said(capsys, str(tmp_path / "nan.json"), "--to", "glb", out)
    box = {"name": "a", "center": [0, 0, 0], "size": [1, 1, 0], "color": [1, 1, 1]}
    (tmp_path / "flat.json").write_text(json.dumps({"boxes": [box]}))
    assert "boxes[0].size[2] must be" in _said(capsys, str(tmp_path / "flat.json"), "--to", "glb", out)
    (tmp_path / "two.jsonl").write_text((shared / "fixtures/procthor/gs_bedroom.json").read_text() + "\n")
    assert "no house number 3" in _said(capsys, str(tmp_path / "two.jsonl"), "--to", "glb", "index=3", out)
