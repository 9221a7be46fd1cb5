"""How long a set of many episodes takes to open, and what memory reading it as a stream takes.

Usage: python -m benchmarks.dataset_open [EPISODES] : a set of ours is made of copies of one encoded episode.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from pretrain.sources import LeRobotSource
from rollouts.collect import CollectConfig, collect
from rollouts.datasets.compact import compact
from rollouts.datasets.merge import encoded_from
from rollouts.datasets.stored import StoredSet
from rollouts.datasets.writer import DatasetWriter


def main(episodes: int) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        root, many, few = (Path(folder) / name for name in ("one", "many", "few"))
        collect(CollectConfig(output=str(root), episodes=1, tasks=("rotate",)), progress=False)
        source = LeRobotSource(root)
        encoded = encoded_from(root, dict(source.facts[0]))
        with DatasetWriter(many, {"made": "by copies"}) as writer:
            for number in range(episodes):
                encoded.facts["work_index"] = encoded.facts["seed"] = number
                writer.publish(encoded)
        compact(many, few)
        for name, place in (("a file an episode", many), ("compacted", few)):
            began = time.perf_counter()
            opened = LeRobotSource(place)
            first = time.perf_counter()
            stored = StoredSet(place)
            second = time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for episode in opened:
                _ = episode.actions
            third = time.perf_counter()
            for episode in stored.episodes:
                stored.rows(episode)
            last = time.perf_counter()
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(
                f"{name}: {len(opened)} episodes, training's reader opens in {first - began:.2f} s, "
                f"dataset's in "
                f"{second - first:.2f} s, streams in {third - second:.1f} and {last - third:.1f} s, "
                f"{(after - before) / 1024:.0f} MB more at most"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
