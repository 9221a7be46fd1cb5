"""Trajectories that `EpisodeFolders` reads, as a source of a mixture."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pretrain.sources.episode import StoredEpisode
from pretrain.sources.folders import EpisodeFolders
from pretrain.sources.schema import FIRST_HELD_OUT_SEED, DatasetError, episode_identity
from pretrain.sources.source import BadRecord, Source, checked_index, identity_of


class OwnEpisodes(Source):
    """The episodes of folders that `uio2 collect` made, and others that `EpisodeFolders` knows, in its order.

    Raises DatasetError as that does, and when an episode has a held-out seed.
    """

    def __init__(self, name: str, paths: Sequence[str | Path]):
        self.name = name
        self._folders = EpisodeFolders(paths, cache_episodes=16)
        seeds = (fact["seed"] for fact in self._folders.facts)
        if (seed := next((seed for seed in seeds if seed >= FIRST_HELD_OUT_SEED), None)) is not None:
            raise DatasetError(
                f"source {name} holds an episode of the held-out seed {seed} (from {FIRST_HELD_OUT_SEED} on "
                "they are for evaluation): collect with smaller seeds"
            )

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, index: int) -> StoredEpisode:
        """Return the episode at an index; what is in its files is read when it is looked at."""
        try:
            return self._folders[checked_index(index, self)]
        except DatasetError as error:
            raise BadRecord(str(error)) from error

    def key(self, index: int) -> str:
        """Return a digest of the episode's facts, whatever set it stands in."""
        return episode_identity(self._folders.facts[checked_index(index, self)])

    @property
    def embodiments(self) -> set[str]:
        """Names of the bodies that act in them."""
        return {fact["embodiment"] for fact in self._folders.facts}

    @cached_property
    def identity(self) -> str:
        """The number of episodes and a digest of what the folders tell of theirs."""
        return identity_of(len(self), self._folders.identities)
