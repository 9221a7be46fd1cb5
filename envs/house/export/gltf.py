"""Binary glTF 2.0: named nodes with triangles, and materials that are pictures, in one file.

Source: the Khronos Group's glTF 2.0 specification. Refuses to know what a house is.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import EnvError

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _LINEAR_MIPMAPS, _REPEAT = 9729, 9987, 10497
_HEADER = struct.Struct("<4sIII4s")
"""Magic, version, length of the file; length and kind of its first chunk."""


@dataclass(frozen=True)
class Material:
    """How a surface looks."""

    picture: bytes
    """PNG. Its colours are those that are seen, so a viewer that converts colours and one that does not show
    the same."""
    alpha: float = 1.0
    emission: float = 0.0
    roughness: float = 0.9


@dataclass(frozen=True)
class Primitive:
    """Triangles of one material, in their node's frame."""

    corners: np.ndarray  # (F, 3, 3) metres, counter-clockwise seen from outside
    normals: np.ndarray  # (F, 3, 3)
    places: np.ndarray  # (F, 3, 2) on the picture; (0, 0) is its upper left corner
    material: int


@dataclass(frozen=True)
class Node:
    name: str
    position: Sequence[float]
    quaternion: Sequence[float]
    """(x, y, z, w)"""
    primitives: Sequence[Primitive]
    extras: Mapping[str, Any] = field(default_factory=dict)


def write_glb(
    name: str, nodes: Sequence[Node], materials: Sequence[Material], extras: Mapping[str, Any]
) -> bytes:
    """Return a .glb file: a node `name` above all `nodes`, and `extras` of the whole file. Frame:
    right-handed, y up, metres.
    """
    file = _File()
    document = {
        "asset": {"version": "2.0", "generator": "uio2-agent", "extras": extras},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [{"name": name, "children": list(range(1, len(nodes) + 1))}],
        "meshes": [],
        "samplers": [
            {"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAPS, "wrapS": _REPEAT, "wrapT": _REPEAT}
        ],
        "images": [{"mimeType": "image/png", "bufferView": file.view(each.picture)} for each in materials],
        "textures": [{"sampler": 0, "source": number} for number in range(len(materials))],
        "materials": [_material(number, each) for number, each in enumerate(materials)],
    }
    for number, node in enumerate(nodes):
        document["nodes"].append(
            {
                "name": node.name,
                "mesh": number,
                "translation": [float(value) for value in node.position],
                "rotation": [float(value) for value in node.quaternion],
                "extras": dict(node.extras),
            }
        )
        primitives = [file.primitive(each) for each in node.primitives]
        document["meshes"].append({"name": node.name, "primitives": primitives})
    return file.finish(document)


def document_of(path: Path, most: int) -> bytes:
    """Return the JSON of a .glb file as it stands there; nothing else of it is read.

    Raises EnvError for a file that cannot be read, that is no GLB, that ends too early, or whose JSON has
    more than `most` bytes.
    """
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            head = file.read(_HEADER.size)
            if not head.startswith(b"glTF"):
                raise EnvError(f"{path}: is not GLB, which begins with 'glTF'; name its format with from=")
            if len(head) < _HEADER.size:
                raise EnvError(f"{path}: ends after {size} bytes, in its header; export or copy it again")
            _, version, whole, length, kind = _HEADER.unpack(head)
            if version != 2:
                raise EnvError(f"{path}: is GLB of version {version}; only 2 is understood")
            if whole > size:
                raise EnvError(f"{path}: has {size} of its {whole} bytes; export or copy it again")
            if kind != b"JSON" or length > whole - _HEADER.size:
                raise EnvError(f"{path}: is damaged: its first part is not all of its JSON; export it again")
            if length > most:
                raise EnvError(f"{path}: has more than {most >> 20} MiB of JSON; no house is that large")
            return file.read(length)
    except OSError as error:
        raise EnvError(f"{path}: cannot be read ({error.strerror})") from error


def _material(number: int, material: Material) -> dict[str, Any]:
    made: dict[str, Any] = {
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": number},
            "baseColorFactor": [1, 1, 1, float(material.alpha)],
            "metallicFactor": 0,
            "roughnessFactor": float(material.roughness),
        }
    }
    if material.alpha < 1:
        made["alphaMode"] = "BLEND"
    if material.emission:
        made["emissiveTexture"] = {"index": number}
        made["emissiveFactor"] = [min(1.0, float(material.emission))] * 3
    return made


class _File:
    """The binary chunk, and what describes it."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._views: list[dict[str, int]] = []
        self._accessors: list[dict[str, Any]] = []

    def view(self, content: bytes, target: int | None = None) -> int:
        self._bytes += bytes(-len(self._bytes) % 4)
        view = {"buffer": 0, "byteOffset": len(self._bytes), "byteLength": len(content)}
        self._views.append(view if target is None else {**view, "target": target})
        self._bytes += content
        return len(self._views) - 1

    def primitive(self, made: Primitive) -> dict[str, Any]:
        """Equal corners are written once."""
        table = np.concatenate([made.corners, made.normals, made.places], -1, dtype=np.float32)
        rows, order = np.unique(table.reshape(-1, 8), axis=0, return_inverse=True)
        return {
            "attributes": {
                "POSITION": self._accessor(rows[:, :3], "VEC3", bounds=True),
                "NORMAL": self._accessor(rows[:, 3:6], "VEC3"),
                "TEXCOORD_0": self._accessor(rows[:, 6:], "VEC2"),
            },
            "indices": self._accessor(order.reshape(-1).astype(np.uint32), "SCALAR"),
            "material": made.material,
        }

    def _accessor(self, values: np.ndarray, type: str, *, bounds: bool = False) -> int:
        whole = values.dtype == np.uint32
        content = np.ascontiguousarray(values).tobytes()
        accessor = {
            "bufferView": self.view(content, _INDICES if whole else _VERTICES),
            "componentType": _UINT if whole else _FLOAT,
            "count": len(values),
            "type": type,
        }
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def finish(self, document: Mapping[str, Any]) -> bytes:
        self._bytes += bytes(-len(self._bytes) % 4)
        whole = {
            **document,
            "buffers": [{"byteLength": len(self._bytes)}],
            "bufferViews": self._views,
            "accessors": self._accessors,
        }
        text = json.dumps(whole, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = b"".join(
            struct.pack("<I4s", len(content), kind) + content
            for kind, content in ((b"JSON", text), (b"BIN\0", bytes(self._bytes)))
        )
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
