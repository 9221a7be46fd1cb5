"""How large an object of a house file is: from a table of assets if there is one, else from where it stands.

A file tells the centre of an object's box. What stands on the floor has its bottom at 0, so its height is
twice its centre's; what stands on something has its bottom on that surface. Width and depth follow from the
type's proportions.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from envs.house.errors import HouseError
from envs.house.objects.types import ObjectType, type_of

Size = tuple[float, float, float]
_OWN = re.compile(r"_(\d{1,3})x(\d{1,3})x(\d{1,3})_\d+$")
"""Ends the names of the generator's assets: width, height and depth in centimetres, and a number."""
_COUNTER = re.compile(r"^countertop_.*?(\d{1,2})x(\d{1,2})", re.IGNORECASE)
"""AI2-THOR's kitchen counters tell their width and depth in feet."""
_FOOT, _COUNTER_HEIGHT = 0.3048, 0.94
_FLAT = 0.06
"""Metres of height below which a thing's height says nothing about its width."""
_LEAST, _MOST = 0.4, 2.5
"""How much lower or higher than usual a thing of a type may be; beyond, its height is not read from where it
stands (it hangs on a wall, or lies askew)."""


class AssetSizes:
    """Asset id → type and box. Empty, it knows what names and places tell.

    Arguments:
        table: asset id → {"type": ..., "size": [x, y, z]}.
    """

    def __init__(self, table: Mapping[str, Mapping] | None = None) -> None:
        self._table = dict(table or {})

    @classmethod
    def read(cls, path: str | Path) -> "AssetSizes":
        """Read a JSON table as above, or ProcTHOR's asset-database.json. Raises HouseError for another."""
        try:
            table = json.loads(Path(path).read_text("utf-8"))
            if any(isinstance(row, list) for row in table.values()):
                table = {row["assetId"]: _row(row) for rows in table.values() for row in rows}
            for row in table.values():
                if not all(0 < value < 100 for value in row["size"]) or len(row["size"]) != 3:
                    raise ValueError(f"a size of {row['size']}")
                type_of(row["type"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HouseError(f"{path}: no table of assets with a size each ({error})") from error
        return cls(table)

    def known(self, type: str) -> dict[str, Size]:
        """Return the table's assets of a type, with their boxes."""
        return {
            asset: tuple(row["size"])
            for asset, row in self._table.items()
            if type_of(row["type"]).name == type
        }

    def __contains__(self, asset: str) -> bool:
        """Whether the table has an asset."""
        return asset in self._table

    def box(self, asset: str) -> Size | None:
        """Return the box that the table has, or that the asset's name tells; else None."""
        if row := self._table.get(asset):
            return tuple(row["size"])
        if told := _OWN.search(asset):
            return tuple(int(group) / 100 for group in told.groups())
        if feet := _COUNTER.match(asset):
            return int(feet[1]) * _FOOT, _COUNTER_HEIGHT, int(feet[2]) * _FOOT
        return None

    def type(self, asset: str) -> ObjectType:
        """Return the asset's type: the table's word, else what the name tells."""
        row = self._table.get(asset)
        return type_of(row["type"] if row else asset)

    def size(self, asset: str, centre: float, bottom: float | None) -> Size:
        """Return an object's box (x, y, z) in metres.

        Arguments:
            asset: its asset id.
            centre: the height of its centre.
            bottom: the height of what it stands on, None where nothing is known to be under it.
        """
        if box := self.box(asset):
            return box
        size = self.type(asset).size
        if bottom is None:
            return size
        ratio = 2 * (centre - bottom) / size[1]
        if not _LEAST <= ratio <= _MOST:
            return size
        # tall things are wider, but not in proportion
        across = 1.0 if size[1] < _FLAT else ratio**0.5
        return size[0] * across, size[1] * ratio, size[2] * across


def told_by_name(asset: str) -> bool:
    """Return whether an asset is the generator's own, whose name tells its box."""
    return _OWN.search(asset) is not None


def _row(row: Mapping) -> dict:
    return {"type": row["objectType"], "size": [row["boundingBox"][axis] for axis in "xyz"]}
