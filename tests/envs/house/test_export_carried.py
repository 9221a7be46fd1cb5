"""A GLB or MJCF of ours is a house file too: what went out comes back byte for byte, as MuJoCo writes it anew
too, and a hostile file is told in one line.
"""

import copy
import json
import struct
from pathlib import Path

import mujoco
import numpy as np
import pytest

from envs.errors import EnvError
from envs.house.export.carried import KEY, READABLE, as_it_stands, read_carried
from envs.house.export.habitat import stage_files
from envs.house.export.mjcf import house_mjcf
from envs.house.generator import generate_house
from envs.house.schema import House, parse_house
from envs.house.simulator import HouseSimulator
from rollouts.cli import main

EXPORTS = {"glb": "house.glb", "mjcf": "house.xml"}


@pytest.fixture(scope="module")
def odd() -> House:
    """A bedroom with letters that XML and MuJoCo stumble over, numbers that rounding changes, and state."""
    found = copy.deepcopy(dict(generate_house(3, "bedroom").json))
    found["metadata"]["note"] = "<a href='x'>&amp; ]]> \" \\ \n\t\u0000 \u00e9 \U0001f3e0 \ud800 <!-- -->"
    found["metadata"]["numbers"] = [0.1 + 0.2, 5e-324, -0.0, 2**70, 1.7976931348623157e308]
    found["objects"][0]["openness"] = 1 / 3
    return parse_house(found, "odd")


@pytest.fixture(scope="module")
def written(odd: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Format → file."""
    folder, simulator = tmp_path_factory.mktemp("odd"), HouseSimulator.of_house(odd)
    for name, content in (stage_files(simulator.scene, odd) | house_mjcf(simulator)).items():
        (folder / name).write_bytes(content)
    return {format: folder / name for format, name in EXPORTS.items()}


def test_every_byte_comes_back(odd: House, written: dict[str, Path]) -> None:
    for format, file in written.items():
        assert json.dumps(read_carried(file, format)) == json.dumps(odd.json), format


def test_mujoco_writes_it_anew(odd: House, written: dict[str, Path], tmp_path: Path) -> None:
    model = mujoco.MjModel.from_xml_path(str(written["mjcf"]))
    mujoco.mj_saveLastXML(str(tmp_path / "again.xml"), model)
    assert json.dumps(read_carried(tmp_path / "again.xml", "mjcf")) == json.dumps(odd.json)


def test_what_was_changed_is_carried_as_the_export_shows_it(tmp_path: Path) -> None:
    house = generate_house(3, "4-room")  # with a fridge, a lamp, doors and a bed
    simulator = HouseSimulator.of_house(house)
    assert json.dumps(as_it_stands(simulator)) == json.dumps(house.json)
    kinds = {simulator.thing(id).type: id for id in simulator.states}
    fridge, lamp, door = kinds["Fridge"], kinds["FloorLamp"], house.doors[0].id
    child = next(id for id, state in simulator.states.items() if state.parent)
    simulator.open(fridge, 0.7)
    simulator.open(door, 0.25)
    simulator.switch(lamp, True)
    turn = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]])
    simulator.put(child, simulator.states[child].position + [0.1, 0, 0], turn, kinds["Bed"])
    for name, content in house_mjcf(simulator).items():
        (tmp_path / name).write_bytes(content)
    again = HouseSimulator.of_house(parse_house(read_carried(tmp_path / "house.xml", "mjcf"), "again"))
    for id, state in simulator.states.items():
        there = again.states[id]
        assert (state.openness, state.on, state.parent) == (there.openness, there.on, there.parent), id
        assert np.allclose(state.position, there.position, atol=1e-9)
        assert np.allclose(state.rotation, there.rotation, atol=1e-9)


@pytest.mark.parametrize("format", EXPORTS)
def test_the_command_reads_what_it_wrote(format: str, shared: Path, tmp_path: Path) -> None:
    """A house, of the old schema too, and boxes."""
    old, boxes = (
        str(shared / "fixtures" / name)
        for name in ("procthor/cc_kitchenliving_schema_0_0_1.json", "habitat_sim/house.json")
    )
    table = f"assets={shared / 'fixtures/procthor/asset_boxes.json'}"

    def export(source: str | Path, to: str, *words: str) -> Path:
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        assert main(["house", "export", str(source), "--to", to, f"output={output}", *words]) == 0
        return output

    file = export(old, format, table) / EXPORTS[format]
    there, back = (export(each, "procthor", table) / "house.json" for each in (old, file))
    assert there.read_bytes() == back.read_bytes()
    out = export(boxes, format)
    renamed = (out / EXPORTS[format]).rename(out / "scene.dat")
    again = export(renamed, format, f"from={format}") / EXPORTS[format]
    assert json.dumps(read_carried(again, format)) == json.dumps(json.loads(Path(boxes).read_text()))


def _glb(text: bytes, *, length: int | None = None, whole: int | None = None, version: int = 2) -> bytes:
    length, whole = length or len(text), whole or 20 + len(text)
    return struct.pack("<4sIII4s", b"glTF", version, whole, length, b"JSON") + text


_DEEP = b'{"asset":{"extras":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
_BOMB = b"<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><mujoco><custom>&b;</custom></mujoco>"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.glb", b"", "is not GLB"),
        ("picture.glb", b"\x89PNG\r\n\x1a\n" + bytes(100), "is not GLB"),
        ("head.glb", b"glTF\x02\0\0\0", "ends after 8 bytes"),
        ("old.glb", _glb(b"{}  ", version=1), "version 1"),
        ("cut.glb", _glb(b"{}  ", whole=1 << 20), "has 24 of its 1048576 bytes"),
        ("huge.glb", _glb(b"{}  ", length=0xFFFFFFFF), "is damaged"),
        ("binary.glb", _glb(b"\xff\xfe  "), "is not UTF-8"),
        ("words.glb", _glb(b"hello"), "is not JSON"),
        ("nan.glb", _glb(b'{"asset":{"extras":{"house_json":NaN}}}'), "holds NaN"),
        ("infinite.glb", _glb(b'{"asset":{"extras":{"house_json":{"a":1e999}}}}'), "holds 1e999"),
        ("deep.glb", _glb(_DEEP), "nested too deeply"),
        ("list.glb", _glb(b"[]  "), READABLE),
        ("other.glb", _glb(b'{"asset":{"version":"2.0","extras":{"author":"me"}}}'), READABLE),
        ("text.glb", _glb(b'{"asset":{"extras":{"house_json":"a"}}}'), "a house is a JSON object"),
        ("empty.xml", b"", "is not XML (no element found"),
        ("cut.xml", b"<mujoco><custom>", "is not XML"),
        ("bomb.xml", _BOMB, "declares a document type"),
        ("strange.xml", b"<?xml version='1.0' encoding='zlib_codec'?><a/>", "is not XML"),
        ("other.xml", b"<mujoco><custom><text name='a' data='b'/></custom></mujoco>", READABLE),
        ("text.xml", f"<m><text name='{KEY}' data='b'/></m>".encode(), "is not JSON"),
        ("number.xml", f"<m><text name='{KEY}' data='1'/></m>".encode(), "a house is a JSON object"),
    ],
)
def test_a_hostile_file_is_told_in_one_line(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["house", "export", str(tmp_path / name), "--to", "glb", f"output={tmp_path / 'out'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and name in line and len(line) < 500


def test_a_file_too_large_for_a_house_is_not_read(tmp_path: Path) -> None:
    for name in ("large.glb", "large.xml"):
        with open(tmp_path / name, "wb") as file:
            file.write(_glb(b"", length=80 << 20, whole=100 << 20) if name.endswith("glb") else b"<mujoco>")
            file.truncate(100 << 20)
        with pytest.raises(EnvError, match="more than 64 MiB"):
            read_carried(tmp_path / name, "glb" if name.endswith("glb") else "mjcf")


def test_a_cut_export_is_refused_wherever_it_ends(written: dict[str, Path], tmp_path: Path) -> None:
    for format, file in written.items():
        whole, cut = file.read_bytes(), tmp_path / file.name
        for end in np.random.default_rng(0).integers(0, len(whole) - 20, 20):
            cut.write_bytes(whole[:end])
            with pytest.raises(EnvError, match=cut.name):
                read_carried(cut, format)
