"""The loop: a policy plays, the expert says what it should have done, training learns that with all that came
before, and held-out seeds decide whether the new weights are kept.

Every stage fills a folder of its own, goes on where it was stopped, and is noted in the record when it is
done; a loop that is started again does what is not noted. The control learns from demonstrations of the
expert in the place of what the policy visited: as many episodes, as many steps, the same seeds to judge.

It refuses to know tasks, bodies and how anything is drawn.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from policies.loading import policy_identity
from pretrain.progress import say
from pretrain.sources import EpisodeFolders
from rollouts.errors import RolloutError
from rollouts.improving import stages
from rollouts.improving.record import Record
from rollouts.improving.rounds import ARMS, JUDGED, START, Round, finished, stage
from rollouts.improving.settings import ImproveConfig
from rollouts.results import files as results
from rollouts.results.comparison import compare
from uio2_agent.formats.packaged import checkpoint_directory

SETS = {"round": ("led", "own"), "control": ("demonstrations",)}
"""What a round of an arm collects."""


def improve(
    config: ImproveConfig, output: Path, shown: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Do what is not done yet; return the record. `shown` is called with it after each round.

    Raises RolloutError for an output that holds another loop, and for data whose seeds would be collected
    again.
    """
    torch.set_flush_denormal(True)  # as training does: playing must not depend on whether it came before
    loop = _Loop(config, output)
    try:
        for arm in ("round", "control") if config.control else ("round",):
            for number in range(config.rounds + 1):
                loop.play(arm, number)
                shown(loop.save())
        return loop.save()
    finally:
        loop.record.close()


class _Loop:
    def __init__(self, config: ImproveConfig, output: Path):
        self._config, self._draws = config, config.draws()
        self._start = str(checkpoint_directory(config.policy))
        old = EpisodeFolders(config.datasets) if config.datasets else None
        recipe = {
            **config.recipe(),
            "checkpoint_hash": policy_identity(self._start, config.policy_args),
            "data": old.identities if old else [],
        }
        if old:
            _check_seeds(config, old)
        self.record = Record(output, recipe)

    def play(self, arm: str, number: int) -> None:
        """Do the stages of a round; round 0 is that of the start, which both arms have."""
        before = finished(self.record.stages, arm)
        if number < len(before):
            return
        config, weights = self._config, self._start
        if number:
            best = self._weights(before[-1].best)
            for kind in SETS[arm]:
                first, end = config.collected_seeds(number)[kind]
                if end > first:
                    self._do(arm, number, kind, partial(stages.collected, config, kind, number, best))
            data = [*config.datasets, *self._sets(arm, number)]
            weights = str(
                self._do(
                    arm,
                    number,
                    "train",
                    lambda folder: stages.trained(config, number, best, data, folder, self._draws),
                )
            )
        for kind in JUDGED:
            self._do(arm, number, kind, partial(stages.evaluated, config, kind, weights))
        rounds = finished(self.record.stages, arm)
        if number:
            say(_judgement(arm, rounds[before[-1].best_number], rounds[-1]))

    def _do(self, arm: str, number: int, kind: str, work: Callable[[Path], Mapping[str, Any]]) -> Path:
        """Do a stage, unless it is done; return its folder."""
        name = stage(arm, number, kind)
        folder = self.record.folder(name)
        if name not in self.record.stages:
            say(f"stage    {name}")
            began = time.monotonic()
            self.record.add(name, work(folder), time.monotonic() - began)
        return folder

    def _weights(self, place: str) -> str:
        return self._start if place == START else str(self.record.folder(place))

    def _sets(self, arm: str, number: int) -> list[str]:
        """The sets of the rounds so far that hold anything to learn."""
        names = [stage(arm, each, kind) for each in range(1, number + 1) for kind in SETS[arm]]
        return [
            str(self.record.folder(name))
            for name in names
            if name in self.record.stages and self.record.stages[name]["learned"]
        ]

    def save(self) -> dict[str, Any]:
        """Write the record with what follows from the stages; return it."""
        arms = {arm: finished(self.record.stages, arm) for arm in ARMS}
        told = {
            ARMS[arm]: [each.told() for each in rounds]
            for arm, rounds in arms.items()
            if arm == "round" or len(rounds) > 1
        }
        summary: dict[str, Any] = {
            "policy": self._config.policy,
            "draws": self._draws,
            "seeds": {
                **{kind: [first, end - 1] for kind, (first, end) in self._config.judged_seeds().items()},
                "collected": [
                    self._config.collect_seed,
                    self._config.collected_seeds(self._config.rounds)["demonstrations"][1] - 1,
                ],
            },
            "arms": told,
        }
        if arms["round"]:
            summary["compared"] = self._compared(arms)
        return self.record.save(summary)

    def _compared(self, arms: Mapping[str, list[Round]]) -> dict[str, list[dict[str, Any]]]:
        """Paired tests on the test seeds of the best weights with the start's, and the control's."""

        def result(arm: str) -> dict[str, Any]:
            best = arms[arm][-1].best_number
            return results.load(self.record.folder(stage(arm if best else "round", best, "test")))

        mine = result("round")
        start = results.load(self.record.folder(stage("round", 0, "test")))
        compared = {"start": compare(start, mine)}
        if len(arms["control"]) > 1:
            compared["control"] = compare(result("control"), mine)
        return compared


def _check_seeds(config: ImproveConfig, old: EpisodeFolders) -> None:
    """Raise RolloutError where a seed of the old data would be collected again."""
    first, end = config.collect_seed, config.collected_seeds(config.rounds)["demonstrations"][1]
    tasks = config.tasks()[1]
    seeds = sorted(
        fact["seed"] for fact in old.facts if fact["task_name"] in tasks and first <= fact["seed"] < end
    )
    if seeds:
        raise RolloutError(
            f"data= holds {len(seeds)} episodes with seeds that the rounds would collect again (first "
            f"{seeds[0]}; they take {first} to {end - 1}): choose another collect_seed="
        )


def _judgement(arm: str, before: Round, done: Round) -> str:
    """The decision and what it rests on."""
    new, old = (each.validation["rows"][-1] for each in (done, before))
    told = f"{new['successes']} of {new['episodes']} validation episodes solved, {old['successes']} before"
    return f"{'kept' if done.kept else 'undone':<8} {arm}_{done.number}: {told}"
