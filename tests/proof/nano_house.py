"""The packaged walker beside the random policy and the experts, in held-out houses.

Usage: python -m tests.proof.nano_house REPORT.md
"""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rollouts.results.statistics import wilson
from tests.proof.tables import played, rate, table, together, write

EPISODES, OF_OTHERS = 50, 15
"""Of each size of house, and of those who are only there to be compared with."""
TASKS = {"PointNav": "habitat", "ObjectNav": "procthor"}
"""Task → its suite."""
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "random": {"policy": "random", "episodes": OF_OTHERS, "env_kwargs": {"sensors": []}},
    "nano_house": {"policy": "nano_house", "episodes": EPISODES, "slots": 8},
    "explorer": {"policy": "oracle", "episodes": OF_OTHERS, "env_kwargs": {"expert_style": "explorer"}},
    "expert": {"policy": "oracle", "episodes": EPISODES, "env_kwargs": {"sensors": []}},
}
"""Who plays; the explorer is the expert that follows the way on the map (`envs.house.experts.explorer`). Who
looks at no observation is spared the making of them.
"""
Episode = Mapping[str, Any]


def main(report: str) -> int:
    parts = [
        f"Held-out seeds from 5,000,000, {EPISODES} of each size of house, of random and explorer the first "
        f"{OF_OTHERS}; Wilson 95 % intervals."
    ]
    for task, env in TASKS.items():
        results = {
            name: played(f"nano_house_{task}_{name}", env=env, task=task, level="all", **who)
            for name, who in POLICIES.items()
        }
        learned = results["nano_house"]["episodes"]
        parts += [f"## {task}", _success(results), "What became of nano_house's episodes:", _fates(learned)]
        if task == "ObjectNav":
            parts += ["By what it looked for, all houses together:", _by_target(learned)]
    write(report, "A walker's success", f"python -m tests.proof.nano_house {report}", *parts)
    return 0


def _success(results: Mapping[str, dict]) -> str:
    rows = []
    by_level = [*zip(*(result["rows"] for result in results.values()), strict=True)]
    for of_policies in (*by_level, [together(result["rows"]) for result in results.values()]):
        shown = [f"{rate(row)}, SPL {row['metrics']['spl']:.2f}" for row in of_policies]
        rows.append([of_policies[0]["level"], *shown])
    return table(["houses", *results], rows)


def _fates(episodes: list[Episode]) -> str:
    """How episodes ended, by size of house."""
    endings = {"success": "solved", "failure": "stopped elsewhere", "truncated": "time was up"}
    seen = {0.0: ", never in sight", 1.0: ", was in sight"}

    def fate(episode: Episode) -> str:
        word = endings[episode["status"]]
        told = "goal_seen" in episode["metrics"] and episode["status"] != "success"
        return word + seen[episode["metrics"]["goal_seen"]] if told else word

    counts = {
        level: Counter(fate(each) for each in episodes if each["level"] == level)
        for level in dict.fromkeys(each["level"] for each in episodes)
    }
    known = sorted({name for count in counts.values() for name in count})
    return table(
        ["houses", *known], [[level, *(count[name] for name in known)] for level, count in counts.items()]
    )


def _by_target(episodes: list[Episode]) -> str:
    rows = []
    for prompt in sorted({each["prompt"] for each in episodes}):
        mine = [each for each in episodes if each["prompt"] == prompt]
        solved = sum(each["status"] == "success" for each in mine)
        low, high = wilson(solved, len(mine))
        seen = sum(bool(each["metrics"]["goal_seen"]) for each in mine)
        name = prompt.removeprefix("Find the ").removesuffix(".")
        rows.append([name, len(mine), f"{solved} ({100 * low:.0f} – {100 * high:.0f} %)", seen])
    return table(["target", "episodes", "solved", "was in sight"], rows)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
