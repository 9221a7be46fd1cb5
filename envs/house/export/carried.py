"""The house inside a GLB or MJCF file of ours: what is written into it, and how it is read back.

A GLB holds it as `asset.extras.house_json`, an MJCF file as the `<text>` of that name below `<custom>`. It is
the JSON that a house file holds, or that of a scene of boxes. Who edits such a file elsewhere does not edit
that JSON.
"""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from envs.errors import EnvError
from envs.house.errors import HouseError
from envs.house.export.gltf import document_of
from envs.house.schema.reading import MAX_FILE_BYTES, bytes_of, json_of, text_of
from envs.house.thor.frames import euler, vector

if TYPE_CHECKING:
    from envs.house.simulator import HouseSimulator

KEY = "house_json"
READABLE = "houses are read from ProcTHOR's JSON, from boxes, and from GLB and MJCF of `uio2 house export`"
_UNSAFE = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&'"}
"""What XML would have to escape, written as JSON escapes it; in JSON it stands in texts alone."""


def carried(simulator: "HouseSimulator", boxes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return what a file of a simulator's scene carries: its house, else the `boxes` it was made from."""
    return boxes if simulator.house is None else as_it_stands(simulator)


def as_it_stands(simulator: "HouseSimulator") -> dict[str, Any]:
    """Return the JSON of a simulator's house as its things stand now: open, lit, dirty and where they are.

    Where nothing has changed it is the house's own. How large an asset without a table is, is guessed from
    where it stands, so what was moved can be of another size in the house that is read back.
    """
    house = simulator.house
    made = copy.deepcopy(dict(house.json))
    for record, door in zip(made["doors"], house.doors, strict=True):
        state = simulator.states.get(door.id)
        if state is not None and state.openness != door.openness:
            record["openness"] = state.openness
    records = {record["id"]: record for record in _all(made["objects"])}
    for was, parent in house.every_object():
        state, record, built = simulator.states[was.id], records[was.id], simulator.thing(was.id)
        if state.openness != (was.openness or 0.0):
            record["openness"] = state.openness
        if state.on != bool(was.on):
            record["isOn"] = state.on
        if ("dirty" in state.flags) != bool(was.dirty):
            record["isDirty"] = "dirty" in state.flags
        if (state.position != built.position).any():
            record["position"] = vector(state.position)
        if (state.rotation != built.rotation).any():
            record["rotation"] = euler(state.rotation)
        if state.parent != (parent.id if parent else None):
            (made["objects"] if parent is None else records[parent.id]["children"]).remove(record)
            on = made["objects"] if state.parent is None else _children(records[state.parent])
            on.append(record)
    return made


def _all(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for record in records for each in (record, *_all(record.get("children") or []))]


def _children(record: dict[str, Any]) -> list[dict[str, Any]]:
    record["children"] = record.get("children") or []
    return record["children"]


def mjcf_text(found: Mapping[str, Any]) -> str:
    """Return the element of MJCF that carries a house.

    An attribute, for MuJoCo before 4 knows no other way; without the letters that XML escapes, for MuJoCo 4
    writes the text anew as a CDATA section and does not see to "]]>".
    """
    text = json.dumps(found, separators=(",", ":")).translate(_UNSAFE)
    return f"  <custom>\n    <text name=\"{KEY}\" data='{text}'/>\n  </custom>\n"


def read_carried(path: Path, format: str) -> Any:
    """Return the JSON that a "glb" or "mjcf" file carries.

    Raises EnvError, naming the file, for what is no such file, and HouseError for one that carries no house.
    """
    text = _READERS[format](path)
    if text is None:
        raise HouseError(f"{path}: is {format.upper()} that carries no house; {READABLE}")
    return text


def _in_glb(path: Path) -> Any:
    document = json_of(text_of(document_of(path, MAX_FILE_BYTES), str(path)), str(path))
    for key in ("asset", "extras", KEY):
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _in_mjcf(path: Path) -> Any:
    """No tree is built and no entity is replaced: a file that declares any is refused."""
    found: list[str] = []
    inside = False

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        inside = tag == "text" and attributes.get("name") == KEY
        if inside and "data" in attributes:
            found.append(attributes["data"])

    def end(tag: str) -> None:
        nonlocal inside
        inside = False

    def read(text: str) -> None:
        if inside:
            found.append(text)

    def refuse(*_: Any) -> None:
        raise EnvError(f"{path}: declares a document type, which MJCF does not have; it is not read")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = read, refuse
    try:
        parser.Parse(bytes_of(path), True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two for strange encodings
        raise EnvError(
            f"{path}: is not XML ({error}); export it again, or name its format with from="
        ) from error
    return json_of("".join(found), str(path)) if found else None


_READERS: Mapping[str, Callable[[Path], Any]] = {"glb": _in_glb, "mjcf": _in_mjcf}
