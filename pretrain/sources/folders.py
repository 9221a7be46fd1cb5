"""Dataset folders of either form that training reads, as one sequence of episodes.

A folder's form is recognised by what is in it. Unusual: our own datasets come first, whatever the order of
the folders, because they share one cache.

It refuses to know what the forms are made of.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from pretrain.sources.lerobot import EpisodeRecord, LeRobotSource
from pretrain.sources.schema import DatasetError
from pretrain.sources.vima_trajectories import VimaEpisode, VimaTrajectories


class EpisodeFolders(Sequence[EpisodeRecord | VimaEpisode]):
    """The episodes of our datasets, in order of folder and rank, then those of VIMA's, by task and index.

    `cache_episodes` is `LeRobotSource`'s; an episode of VIMA's is read whenever it is taken.
    Raises DatasetError when a folder is missing, empty, or of neither form.
    """

    def __init__(self, paths: Sequence[str | Path], cache_episodes: int = 256):
        folders = [Path(path) for path in paths]
        ours = [folder for folder in folders if (folder / "meta").is_dir()]
        theirs = [_trajectories(folder) for folder in folders if folder not in ours]
        own = [LeRobotSource(ours, cache_episodes)] if ours or not theirs else []
        self._parts: list[LeRobotSource | VimaTrajectories] = [*own, *theirs]
        self._ends = list(accumulate(len(part) for part in self._parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> EpisodeRecord | VimaEpisode:  # type: ignore[override] - no slices
        """Return the episode at `index`."""
        index = range(len(self))[index]
        part = bisect(self._ends, index)
        return self._parts[part][index - self._ends[part]]  # counted from the part's end

    @cached_property
    def identities(self) -> list[str]:
        """What each folder holds, in a word; its name does not count."""
        return [identity for part in self._parts for identity in part.identities]

    @cached_property
    def facts(self) -> list[Mapping[str, Any]]:
        """Of each episode at least `embodiment`, `seed`, `success` and `final_objects` (JSON)."""
        return [fact for part in self._parts for fact in part.facts]


def _trajectories(folder: Path) -> VimaTrajectories:
    """What is no dataset of ours should be VIMA's."""
    try:
        return VimaTrajectories(folder)
    except DatasetError:
        raise DatasetError(
            f"{folder} is neither a dataset of ours (with a folder meta, as uio2 collect makes it) nor VIMA's"
            " own data (with folders <task>/<six digits>): name a folder of either form"
        ) from None
