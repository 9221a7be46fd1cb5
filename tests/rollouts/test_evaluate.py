"""Evaluation on a toy environment: the same numbers however the work is cut, nothing lost or dropped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.toys
from envs.errors import EnvError
from policies.base import Step
from policies.embodiments.vima import VIMA
from pretrain.sources.lerobot import LeRobotSource
from rollouts import evaluate
from rollouts.commands import rollout
from rollouts.errors import RolloutError
from rollouts.evaluate import EvaluateConfig
from rollouts.pages import film
from rollouts.results.comparison import compare
from rollouts.worklist import work_items
from tests.toys import TOY

EPISODES = 7


def config(output: Path, **changes: Any) -> EvaluateConfig:
    keys = {
        "output": str(output),
        "env": TOY,
        "policy": "tests.toys:ScriptedPolicy",
        "policy_args": {"spoil": 3},
        "env_kwargs": {"expert": True},
        "task": "slide",
        "episodes": EPISODES,
        "videos": 0,
    }
    return EvaluateConfig(**keys | changes)


def run(output: Path, **changes: Any) -> dict[str, Any]:
    output.mkdir(exist_ok=True)
    return evaluate.evaluate(config(output, **changes), output)


def numbers(result: dict[str, Any]) -> str:
    return json.dumps([result["rows"], result["episodes"]])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("reference"), slots=1)


def test_rows_count_what_the_episodes_say(reference: dict[str, Any]) -> None:
    seeds = list(range(5_000_000, 5_000_000 + EPISODES))
    assert [episode["seed"] for episode in reference["episodes"]] == seeds
    solved = [seed % 3 != 0 for seed in seeds]  # the scripted policy spoils every third seed
    assert [episode["success"] for episode in reference["episodes"]] == solved
    (row,) = reference["rows"]
    assert (row["episodes"], row["successes"]) == (EPISODES, sum(solved))
    assert row["rate"] == sum(solved) / EPISODES and row["low"] < row["rate"] < row["high"]
    assert {"env", "task", "level", "policy", "metrics"} < set(row)


@pytest.mark.parametrize("slots", [2, 5, 16])
def test_slots_do_not_change_the_numbers(tmp_path: Path, reference: dict[str, Any], slots: int) -> None:
    assert numbers(run(tmp_path, slots=slots)) == numbers(reference)


def test_workers_do_not_change_the_numbers(tmp_path: Path, reference: dict[str, Any]) -> None:
    assert numbers(run(tmp_path, slots=2, workers=2)) == numbers(reference)


def stops(self: tests.toys.ScriptedPolicy, steps: list[Step]) -> list[dict[str, Any]]:
    """Ctrl-C in the middle."""
    if any(self.seeds[step.slot] == 5_000_004 for step in steps):
        raise KeyboardInterrupt
    return ACT(self, steps)


ACT = tests.toys.ScriptedPolicy.act


def test_an_interrupted_evaluation_goes_on_where_it_was(
    tmp_path: Path, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = []
    original = evaluate.run_job

    def watched(work: list, *rest: Any, **more: Any) -> Any:
        played.append([item.seed - 5_000_000 for item in work])
        return original(work, *rest, **more)

    monkeypatch.setattr(evaluate, "run_job", watched)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tests.toys.ScriptedPolicy, "act", stops)
        run(tmp_path, slots=1)
    kept = json.loads((tmp_path / "result.json").read_text())
    assert [e["seed"] for e in kept["episodes"]] == [5_000_000, 5_000_001, 5_000_002, 5_000_003]
    assert numbers(run(tmp_path)) == numbers(reference)
    assert numbers(run(tmp_path)) == numbers(reference)
    assert played == [list(range(EPISODES)), [4, 5, 6], []]


def test_a_directory_is_not_continued_with_another_policy(tmp_path: Path) -> None:
    run(tmp_path, episodes=1)
    with pytest.raises(RolloutError, match="name another directory"):
        run(tmp_path, episodes=1, policy_args={"spoil": 2})


def test_errors_count_as_unsolved_and_are_played_again(tmp_path: Path) -> None:
    result = run(tmp_path, task=["slide", "crash"], policy_args={})
    rows = {row["task"]: row for row in result["rows"]}
    assert rows["crash"]["episodes"] == EPISODES
    assert rows["crash"]["metrics"]["errors"] + rows["crash"]["successes"] == EPISODES
    assert rows["crash"]["metrics"]["errors"] > 0
    assert any("simulator broke" in episode.get("message", "") for episode in result["episodes"])
    again = run(tmp_path, task=["slide", "crash"], policy_args={})
    assert numbers(again) == numbers(result)


def test_an_unknown_policy_leaves_no_result(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="policy 'nosuch'"):
        run(tmp_path, policy="nosuch", policy_args={})
    assert not (tmp_path / "result.json").exists()


def test_actions_in_the_result_replay_the_episode(reference: dict[str, Any]) -> None:
    row = next(row for row in reference["episodes"] if row["success"] and row["steps"] > 1)
    env = tests.toys.ToyEnv()
    env.reset(seed=row["seed"])
    infos = [env.step(VIMA.action(np.array(action)))[-1] for action in row["actions"]]
    assert [info["success"] for info in infos] == [False] * (row["steps"] - 1) + [True]


def test_work_lists_name_the_nearest_task_and_skip_levels_without_it() -> None:
    with pytest.raises(EnvError, match="slide"):
        work_items(TOY, "slid", "placement", seed=0, episodes=1)
    levels = ["placement", "combinatorial", "novel_object", "novel_task"]
    items = work_items(TOY, ["slide", "slow"], "all", seed=3, episodes=2)
    assert [(item.level, item.task, item.seed) for item in items] == [
        (level, task, seed) for level in levels for seed in (3, 4) for task in ("slide", "slow")
    ]
    assert [item.index for item in items] == list(range(len(items)))
    vima = work_items("vima", "sweep_without_exceeding", "all", seed=0, episodes=1)
    assert [item.level for item in vima] == ["placement", "combinatorial"]  # the levels upstream has it at
    with pytest.raises(RolloutError, match="exists at placement"):
        work_items("vima", "rotate", "L4", seed=0, episodes=1)


def test_compare_pairs_by_seed(tmp_path: Path, reference: dict[str, Any]) -> None:
    other = run(tmp_path, policy_args={"spoil": 2}, episodes=EPISODES - 1)
    first, second = ({e["seed"]: e["success"] for e in r["episodes"]} for r in (reference, other))
    (row,) = compare(reference, other)
    assert row["seeds"] == EPISODES - 1
    assert row["only_first"] == sum(first[s] and not second[s] for s in second)
    assert row["only_second"] == sum(second[s] and not first[s] for s in second)
    with pytest.raises(RolloutError, match="share no"):
        compare(reference, run(tmp_path / "apart", seed=6_000_000, episodes=1))


def test_films_are_chosen_by_outcome(reference: dict[str, Any]) -> None:
    chosen = film.choose(reference["episodes"], 1)
    assert [row["success"] for row in chosen] == [True, False] or [row["success"] for row in chosen] == [
        False,
        True,
    ]
    assert film.choose(reference["episodes"], 0) == []


def test_rollout_keeps_its_episodes_as_a_dataset(tmp_path: Path) -> None:
    keys = {
        **{
            "env": TOY,
            "policy": "tests.toys:ScriptedPolicy",
            "policy_args": {},
            "env_kwargs": {"expert": True},
        },
        **{"task": "slide", "level": "placement", "episodes": 3, "seed": 4_000_000, "slots": 2, "workers": 1},
        **{"ray": {"address": None}, "videos": 1, "output": str(tmp_path)},
    }
    for _ in range(2):  # a second rollout replaces the first
        assert rollout.main(keys) == 0
        result = json.loads((tmp_path / "result.json").read_text())
        records = list(LeRobotSource(tmp_path / "dataset"))
        assert (
            [r.seed for r in records]
            == [e["seed"] for e in result["episodes"]]
            == [4_000_000, 4_000_001, 4_000_002]
        )
        assert [r.actions.tolist() for r in records] == [e["actions"] for e in result["episodes"]]
        assert (tmp_path / "index.html").exists() and (tmp_path / "config.yaml").exists()
