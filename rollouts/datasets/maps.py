"""The floor maps of a dataset: a small JPEG an episode, and beside it in JSON where things are on it.

Training reads none of this; it is for people who look at the set.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from envs.floor_map import FloorMap, Room
from pretrain.sources import schema
from pretrain.sources.schema import DatasetError

KINDS = ("jpg", "json")
_QUALITY = 80


def encode_map(floor_map: FloorMap) -> dict[str, bytes]:
    """Return the files of a map by kind."""
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(floor_map.picture)).save(sink, "JPEG", quality=_QUALITY)
    told = {
        "frame": np.asarray(floor_map.frame, float).tolist(),
        "goals": [list(goal) for goal in floor_map.goals],
        "rooms": [{"name": room.name, "objects": list(room.objects)} for room in floor_map.rooms],
    }
    return {"jpg": sink.getvalue(), "json": json.dumps(told).encode()}


def map_paths(root: Path, index: int) -> dict[str, Path]:
    """Return where the files of an episode's map are, by kind, if there are any."""
    place = schema.place(index)
    return {kind: root / schema.MAP_PATH.format(**place, kind=kind) for kind in KINDS}


def read_map(root: Path, index: int) -> FloorMap | None:
    """Return the map of the episode of a rank, None where the set keeps none. Raises DatasetError for one
    that is damaged.
    """
    paths = map_paths(root, index)
    if not paths["json"].exists():
        return None
    try:
        told = json.loads(paths["json"].read_bytes())
        frame = np.array(told["frame"], float).reshape(2, 3)
        goals = tuple((float(right), float(ahead)) for right, ahead in told["goals"])
        rooms = tuple(Room(str(room["name"]), tuple(map(str, room["objects"]))) for room in told["rooms"])
        picture = np.asarray(Image.open(paths["jpg"]).convert("RGB"))
    except (OSError, ValueError, TypeError, KeyError, SyntaxError) as error:
        raise DatasetError(
            f"{paths['json'].with_suffix('')}: the map of episode {index} is damaged ({error}); remove its "
            "files, and the episode is shown without one"
        ) from error
    return FloorMap(picture, frame, goals, rooms)
