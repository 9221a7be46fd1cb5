"""Does action text lose what the oracle knows? Its actions are played as they are, and from their text.

`python -m tests.policies.round_trip [EPISODES]` prints a table for the built tasks (200 episodes by default).
"""

import sys
from collections.abc import Sequence

import gymnasium as gym

from policies.embodiments.vima import VIMA, state_of

TASKS = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")


def oracle_successes(
    task: str, seeds: Sequence[int], level: str = "placement", through_text: bool = False
) -> list[bool]:
    """Play the oracle on `seeds`, through text and back if asked; return success by seed."""
    import envs  # noqa: F401  registers the ids

    env = gym.make(f"vima/{task}-v0", level=level, expert=True)
    successes = []
    for seed in seeds:
        _, info = env.reset(seed=seed)
        done = False
        while not done and info["expert_action"] is not None:
            action = info["expert_action"]
            if through_text:
                action = VIMA.parse(VIMA.action_text(action, state_of(info["end_effector"]), 0))[0].action
            _, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        successes.append(bool(info["success"]))
    env.close()
    return successes


def main(episodes: int) -> int:
    """Print the table over held-out seeds; return 1 if text loses more than 1 % of what the oracle solves."""
    worst = 1.0
    for task in TASKS:
        seeds = range(5_000_000, 5_000_000 + episodes)
        direct, text = (
            oracle_successes(task, seeds, through_text=through_text) for through_text in (False, True)
        )
        kept = sum(a and b for a, b in zip(direct, text, strict=True))
        worst = min(worst, kept / max(sum(direct), 1))
        print(
            f"{task:<26} oracle {sum(direct):>3}/{episodes}   through text {sum(text):>3}/{episodes}   "
            f"of the oracle's {kept / max(sum(direct), 1):.1%}",
            flush=True,
        )
    return int(worst < 0.99)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
