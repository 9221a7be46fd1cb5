"""Policies and environments that misbehave: their episode is an error, and the run goes on."""

import json
import signal
from pathlib import Path

import pytest

from rollouts.collect import collect
from rollouts.datasets import keeper
from rollouts.datasets.writer import DatasetWriter
from rollouts.errors import RolloutError
from rollouts.evaluate import EvaluateConfig, evaluate
from rollouts.runner import Episode, run_episodes, work_list
from rollouts.trial import check_apart, check_environment
from rollouts.workers import Job, MakeEnv, run_job
from tests.misbehaving import Policy
from tests.rollouts.test_dataset import configuration
from tests.toys import TOY, ScriptedPolicy

OURS = "tests.misbehaving:SUITE"
POLICIES = {
    "SystemExit": "SystemExit: enough",
    "text": "Unspeakable: (its text raises SystemExit)",
    "pickle": "Unpicklable: ('once', 'and again')",
    "GeneratorExit": "GeneratorExit",
    "StopIteration": "StopIteration",
    "long text": "... (1000000 characters)",
    "surrogate": "ValueError: \\ud800",
    "None": "TypeError: 'NoneType' object is not iterable",
    "nothing": "ValueError: policy misbehaving returned 0 actions for 1 steps",
    "garbage": "UIO2Error: an action is a mapping",
    "NaN": "UIO2Error: pose0_position must be 2 finite numbers",
    "text of bytes": "TypeError: the policy's action_text returned bytes, not a string",
    "text of half a pair": "UnicodeEncodeError: ",
}
ENVIRONMENTS = {
    "reset None": "TypeError: cannot unpack",
    "reset info None": "TypeError: the environment returned an info of type NoneType, not a mapping",
    "prompt": "TypeError: ",
    "assets": "'NoneType' object",
    "embodiment": "TypeError: ",
    "no pictures": "KeyError: 'rgb'",
    "SystemExit": "SystemExit: 3",
    "four": "ValueError: not enough values to unpack (expected 5, got 4)",
    "info": "TypeError: the environment returned an info of type list, not a mapping",
    "observation": "TypeError: ",
    "reward NaN": "ValueError: the environment returned the reward nan, not a finite number",
    "reward None": "TypeError: ",
    "success": "TypeError: the environment returned info['success']='no', not true or false",
    "terminated": "TypeError: the environment returned terminated=[False, False], not true or false",
}


def found(root: Path) -> tuple[list[dict], int]:
    """The error log of a dataset, and its number of episodes."""
    lines = (root / "meta/errors.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], len(
        (root / "meta/uio2_episodes.jsonl").read_text().splitlines()
    )


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("how", POLICIES)
def test_what_a_policy_does_ends_its_episode(how: str, slots: int) -> None:
    work = work_list(["slide"], "placement", env=TOY, seed=0, episodes=5)
    episodes = list(run_episodes(work, MakeEnv({"expert": True}), Policy(how), slots=slots))
    assert [e.status for e in episodes] == ["success", "success", "error", "success", "success"]
    assert POLICIES[how] in episodes[2].message and len(episodes[2].message) < 3000
    episodes[2].message.encode()


def test_an_iterable_of_actions_will_do() -> None:
    work = work_list(["slide"], "placement", env=TOY, seed=2, episodes=1)
    (episode,) = run_episodes(work, MakeEnv({"expert": True}), Policy("generator"))
    assert episode.status == "success"


@pytest.mark.parametrize("how", ENVIRONMENTS)
def test_what_an_environment_does_ends_its_episode(tmp_path: Path, how: str) -> None:
    config = configuration(
        tmp_path, env=OURS, env_kwargs={"expert": True, "how": how}, policy="oracle", episodes=4
    )
    result = collect(config, progress=False)
    assert result.outcomes == {"success": 3, "error": 1}
    ((error,), published) = found(tmp_path)
    assert (error["task"], error["seed"], published) == ("slide", 2, 3)
    assert ENVIRONMENTS[how] in error["message"]


@pytest.mark.parametrize("how", ["prompt", "assets", "success"])
def test_an_evaluation_goes_on_as_well(tmp_path: Path, how: str) -> None:
    config = EvaluateConfig(
        output=str(tmp_path),
        env=OURS,
        policy="oracle",
        env_kwargs={"how": how},
        task="slide",
        episodes=4,
        seed=0,
        slots=2,
    )
    episodes = evaluate(config, tmp_path)["episodes"]
    assert [row["status"] for row in episodes] == ["success", "success", "error", "success"]
    assert ENVIRONMENTS[how] in episodes[2]["message"]


def test_an_environment_that_cannot_be_closed_costs_nothing(tmp_path: Path) -> None:
    kwargs = {"expert": True, "how": "close"}
    result = collect(configuration(tmp_path, env=OURS, env_kwargs=kwargs, policy="oracle"), progress=False)
    assert result.outcomes == {"success": 6}


def test_an_environment_is_closed_after_its_episode_was_handed_out() -> None:
    """So that one that hangs there has lost none."""
    order = []

    class Env(MakeEnv):
        def __call__(self, work):
            env = super().__call__(work)
            close = env.close
            env.close = lambda: (order.append("closed"), close())
            return env

    work = work_list(["unplaceable", "slide"], "placement", env=TOY, seed=1, episodes=2)
    for episode in run_episodes(work, Env({"expert": True}), ScriptedPolicy()):
        order.append(episode.status)
    assert order == ["error", "closed", "success", "closed"]


def test_an_error_is_tried_again_when_the_same_command_runs_again(tmp_path: Path) -> None:
    """It comes last then; what it left in the log goes."""
    (tmp_path / "marks").mkdir()
    for how in ("segfault", "_exit", "kill"):
        (tmp_path / "marks" / how).touch()
    settings = {"policy": "tests.misbehaving:Stumbling", "policy_args": {"folder": str(tmp_path / "marks")}}
    config = configuration(tmp_path / "set", **settings, episodes=12)
    assert collect(config, progress=False).outcomes == {"success": 11, "error": 1}
    assert [error["work_index"] for error in found(tmp_path / "set")[0]] == [9]
    more = configuration(tmp_path / "set", **settings, episodes=14)
    again = collect(more, progress=False)
    assert (again.played, again.published, again.outcomes) == (3, 14, {"success": 14})
    index = (tmp_path / "set/meta/uio2_episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["work_index"] for line in index] == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        10,
        11,
        12,
        13,
        9,
    ]
    assert not (tmp_path / "set/meta/errors.jsonl").exists()
    assert collect(more, progress=False).played == 0


@pytest.mark.parametrize("apart", [False, True])
def test_the_trial_refuses_what_no_episode_survives(apart: bool) -> None:
    def attempt(**kwargs: str) -> None:
        (item,) = work_list(["slide"], "placement", env=OURS, seed=2, episodes=1)
        make = MakeEnv({"expert": True, **kwargs})
        check_apart(make, item, patience=60) if apart else check_environment(make, item)

    with pytest.raises(RolloutError, match="cannot make an environment of task=slide: TypeError"):
        attempt(nonsense="1")
    attempt(how="reset segfault" if apart else "reset None")  # of this episode the episode tells


def test_results_that_cannot_be_made_are_errors() -> None:
    def finish(episode: Episode) -> str:
        if episode.work.seed == 1 and episode.infos:
            raise SystemExit
        return episode.status

    work = work_list(["slide"], "placement", env=TOY, seed=0, episodes=3)
    job = Job("tests.toys:ScriptedPolicy", make_env=MakeEnv({"expert": True}), finish=finish)
    assert list(run_job(work, job)) == ["success", "error", "success"]


def test_a_signal_while_an_episode_is_published_waits_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what is said to be kept is what is kept."""
    append = DatasetWriter._append

    def interrupted(self: DatasetWriter, path: str, *records: dict) -> None:
        append(self, path, *records)
        if records[-1].get("episode_index") == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(keeper, "_TOGETHER_S", 0.0)  # one by one
        patch.setattr(DatasetWriter, "_append", interrupted)
        result = collect(configuration(tmp_path), progress=False)
    assert (result.interrupted, result.published, result.outcomes) == (True, 3, {"success": 3})
