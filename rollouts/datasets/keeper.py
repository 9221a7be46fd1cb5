"""Outcomes in the order of the work list, on their way into a dataset.

Unusual: episodes that come fast go there together, for each time costs as much as playing a short one. None
waits longer than for the next to come.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from rollouts.datasets.encoding import EncodedEpisode
from rollouts.datasets.writer import MOST_AT_ONCE, DatasetWriter

_TOGETHER_S = 0.1
"""Episodes that come within this time of the last that were published wait for the next one."""


class Keeper:
    """Hands outcomes on to a writer; `publish` when there are no more."""

    def __init__(self, writer: DatasetWriter):
        self._writer = writer
        self._waiting: list[EncodedEpisode] = []
        self._published = -math.inf

    def keep(self, episode: EncodedEpisode) -> None:
        """Publish an episode, now or with those that follow it."""
        self._waiting.append(episode)
        since = time.monotonic() - self._published
        if since >= _TOGETHER_S or len(self._waiting) == MOST_AT_ONCE:
            self.publish()

    def record_error(self, work_index: int, facts: Mapping[str, Any]) -> None:
        """As the writer's; what came before goes first, so that nothing is on record behind a hole."""
        self.publish()
        self._writer.record_error(work_index, facts)

    def record_dropped(self, work_index: int, status: str) -> None:
        """As the writer's; what came before goes first."""
        self.publish()
        self._writer.record_dropped(work_index, status)

    def publish(self) -> None:
        """Publish those that wait."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._writer.publish_all(waiting)
            self._published = time.monotonic()
