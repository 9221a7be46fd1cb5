"""Workers that are lost, and time limits: the work is done again, or its episode says why it was not.

Most of it is played on a stand-in for Ray, which runs the actors here and raises Ray's own errors at the
seam.
"""

import json
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray

from rollouts import actors
from rollouts.actors import Played, Unserved
from rollouts.cluster import LOST_CLUSTER, LOST_WORKER, ray_started
from rollouts.collect import collect
from rollouts.errors import RolloutError
from rollouts.evaluate import EvaluateConfig
from rollouts.inference.actor import Inference
from rollouts.inference.desk import Desk
from rollouts.inference.messages import Batching, Facts
from rollouts.limits import Clock, Limits, Overrun, overrun, unwatched
from rollouts.runner import Episode, work_list
from rollouts.workers import Job, MakeEnv, run_job
from tests.rollouts.test_dataset import configuration, contents
from tests.rollouts.test_misbehaviour import OURS, found
from tests.toys import TOY
from uio2_agent.errors import UIO2Error

ROOT = Path(__file__).parents[2]


def outcome(episode: Episode) -> tuple[int, str, str]:
    return episode.work.seed, episode.status, episode.message


JOB = Job("tests.toys:ScriptedPolicy", make_env=MakeEnv({"expert": True}), finish=outcome)
WORK = work_list(["slide"], "placement", env=TOY, seed=0, episodes=12)
CALM = [(seed, "success", "") for seed in range(12)]


class Thing(types.SimpleNamespace):
    """An actor, or a call."""

    __hash__ = object.__hash__


class Streamed:
    """A streaming call: results one by one, unless the stand-in has the worker lost instead."""

    def __init__(self, results: Iterator[list[Played] | Unserved]):
        self.results = results

    def __next__(self) -> list[Played] | Unserved:
        return next(self.results)


class StandIn(types.ModuleType):
    """As much of Ray as the workers use. `fault(actor, place)` may return an error for the result of a place
    of the work list, or (None) of loading. `unserved(places)` may return one for a decision that an inference
    actor makes for some places.
    """

    exceptions = ray.exceptions

    def __init__(self, fault: Callable[[Any, int | None], Exception | None]):
        super().__init__("ray")
        self.fault = fault
        self.unserved: Callable[[list[int]], Exception | None] = lambda places: None
        self.killed: list[Any] = []
        self.made: list[Any] = []
        self.inference: list[Any] = []
        self.alive = True

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return {}

    def get_runtime_context(self) -> Any:
        return Thing(get_node_id=lambda: "here")

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "here", "Alive": self.alive}]

    def remote(self, **options: Any) -> Callable[[type], Any]:
        def make(kind: type) -> Any:
            if kind is Inference:
                return Thing(remote=self._inference)
            return Thing(remote=lambda *arguments: self._actor(kind(*arguments)))

        return make

    def _inference(self, job: Any, *rest: Any) -> Any:
        """One that decides at once, for each worker alone."""
        policy = job.load_policy()
        desk, facts = Desk(policy, unwatched), Facts(policy.name, "")

        def act(worker: int, asked: Any) -> Any:
            dead = actor in self.killed or None
            if error := (dead and made("ActorDiedError")) or self.unserved([each.place for each in asked]):
                raise error
            return desk.decide([(worker, asked)])[0]

        actor = Thing(worker=Thing(load=lambda decides: facts))
        actor.load = Thing(remote=lambda: Thing(actor=actor))
        actor.act = Thing(remote=lambda *call: Thing(found=partial(act, *call)))
        actor.leave = Thing(remote=desk.leave)
        self.inference.append(actor)
        return actor

    def _actor(self, worker: Any) -> Any:
        actor = Thing(worker=worker)
        actor.load = Thing(remote=lambda decides: Thing(actor=actor))
        run = Thing(remote=lambda chunk, seat: self._play(actor, chunk, seat))
        actor.run = Thing(options=lambda **options: run)
        self.made.append(actor)
        return actor

    def _play(self, actor: Any, chunk: list[Any], seat: Any) -> Streamed:
        call = Streamed(iter(()))
        call.actor, call.chunk = actor, chunk

        def results() -> Iterator[list[Played] | Unserved]:
            for item in chunk:
                if error := self.fault(actor, item.index):
                    raise error
                for told in actor.worker.run([item], seat):
                    yield told
                    if isinstance(told, Unserved):
                        return

        call.results = results()
        return call

    def wait(self, calls: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        return (calls[-1:], calls[:-1]) if self.alive else ([], calls)

    def get(self, call: Any) -> Any:
        if isinstance(call, list | Unserved):
            return call
        if hasattr(call, "found"):
            return call.found()
        if error := self.fault(call.actor, None):
            raise error
        return call.actor.worker.load(True)

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


def made(name: str) -> Exception:
    """An error of a class of Ray's, whatever it wants to be made of."""
    kind = getattr(ray.exceptions, name)
    return type(
        name, (kind,), {"__init__": lambda self: None, "__str__": lambda self: f"said {name}\nmore"}
    )()


def played(
    monkeypatch: pytest.MonkeyPatch, stand_in: StandIn, job: Job = JOB, workers: int = 2, inference: int = 0
) -> Iterator:
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    return run_job(WORK, job, workers=workers, inference=Batching(inference))


KIN = ("ActorDiedError", "ActorUnavailableError", "ObjectReconstructionFailedError", "OwnerDiedError")


@pytest.mark.parametrize("name", [*LOST_WORKER, *KIN])
def test_a_lost_worker_is_replaced_and_its_work_done_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {4, 5, None}

    def fault(actor: Any, place: int | None) -> Exception | None:
        if place in faults and len(stand_in.made) > (place is None):
            faults.discard(place)
            return made(name)
        return None

    stand_in = StandIn(fault)
    assert list(played(monkeypatch, stand_in)) == CALM
    assert not faults and len(stand_in.killed) == 3


@pytest.mark.parametrize("name", [*LOST_CLUSTER, "GetTimeoutError"])
def test_a_lost_cluster_is_one_line_and_what_came_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    came = []
    with pytest.raises(RolloutError) as stopped:
        for result in played(monkeypatch, StandIn(lambda actor, place: made(name) if place == 3 else None)):
            came.append(result)
    assert came == CALM[: len(came)]
    said = str(stopped.value)
    assert f"({name}: said {name})" in said and "the same command goes on from there" in said
    assert LOST_CLUSTER.get(name, "Ray failed") in said and "\n" not in said


def test_a_dead_raylet_is_noticed_though_ray_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(lambda actor, place: None)
    results = played(monkeypatch, stand_in)
    assert next(results) == CALM[0]
    stand_in.alive = False
    with pytest.raises(RolloutError, match="Ray's process on this machine died"):
        list(results)


def test_work_that_ends_every_worker_is_named_and_nothing_else_suffers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once among others, when it cannot be told from them, and then three times alone."""
    stand_in = StandIn(lambda actor, place: made("OutOfMemoryError") if place == 4 else None)
    results = list(played(monkeypatch, stand_in))
    assert results[:4] + results[5:] == CALM[:4] + CALM[5:]
    seed, status, message = results[4]
    assert (seed, status, len(stand_in.killed)) == (4, "error", 4)
    assert "3 worker processes died in this episode, task=slide seed=4" in message
    assert "OutOfMemoryError: said OutOfMemoryError" in message


def test_workers_that_die_while_they_load_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(lambda actor, place: made("ActorDiedError") if place is None else None)
    with pytest.raises(
        RolloutError, match=r"3 worker processes in a row died while they loaded policy=tests"
    ):
        list(played(monkeypatch, stand_in))
    assert len(stand_in.killed) == 3


@pytest.mark.parametrize("named", [(4,), (4, 5), ()])
def test_who_is_late_is_told_from_who_is_not(
    named: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An episode that was late by itself is an error at once; of several, each is tried alone first; where
    closing an environment took too long, none is to blame.
    """
    late: list[tuple[int, ...]] = []

    def fault(actor: Any, place: int | None) -> Exception | None:
        if place == 4 and len(late) < (1 if not named else 2):
            late.append(named if not late else (4,))
            return made("ActorDiedError")
        return None

    monkeypatch.setattr("rollouts.crew.overrun", lambda note: Overrun("a decision took too long", late[-1]))
    stand_in = StandIn(fault)
    results = list(played(monkeypatch, stand_in))
    blamed = [(4, "error", "TimeoutError: a decision took too long")] if named else [CALM[4]]
    assert results == CALM[:4] + blamed + CALM[5:]
    assert len(stand_in.killed) == max(len(named), 1)


def test_limits_are_read() -> None:
    assert Limits.read("auto", "auto") == Limits() and not Limits().asked
    assert Limits().settled() == (600, 3600)
    assert Limits.read("2.5", 30) == Limits(2.5, 30) and Limits(2.5).asked
    assert Limits.read(0, "0").settled() == (float("inf"),) * 2 and not Limits.read(0, 0).asked
    for wrong in (-1, "-0.5", "nan", "inf", float("nan"), "soon", True, None, [3], {}, 10**400):
        with pytest.raises(RolloutError, match="decision_timeout takes seconds, 0 for no limit, or auto"):
            Limits.read(wrong, "auto")
        with pytest.raises(RolloutError, match="episode_timeout takes seconds"):
            configuration(Path(), episode_timeout=wrong)
    with pytest.raises(RolloutError, match="decision_timeout"):
        EvaluateConfig(output="", decision_timeout="x")


CLOCKED = """
from pathlib import Path
from types import SimpleNamespace
from rollouts.limits import Clock, Limits
from tests.misbehaving import hang

def episode(index, spent):
    return SimpleNamespace(work=SimpleNamespace(index=index), timings={{"policy": spent}})

watch = Clock(Limits({decision}, {limit}), Path({note!r}))
episodes = [episode(7, 0.0), episode(8, {spent})]
with watch("step", episodes[:1]):
    pass
with watch("policy", episodes):
    {call}
"""


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"decision": 0.3, "limit": 50}, "a decision took longer than decision_timeout=0.3 s"),
        ({"decision": 50, "limit": 9}, "the episode took longer than episode_timeout=9 s, in a decision"),
        ({"decision": 50, "limit": 50, "call": "raise SystemExit(1)"}, None),
    ],
)
def test_a_clock_ends_what_python_cannot(tmp_path: Path, numbers: dict, said: str | None) -> None:
    settings = {"note": str(tmp_path / "note"), "spent": 8.9, "call": "hang()", **numbers}
    (tmp_path / "note").write_text('{"said": "of a process before", "episodes": []}' + "\nThread" * 99)
    done = subprocess.run(
        [sys.executable, "-c", CLOCKED.format(**settings)], cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == (-signal.SIGALRM if said else 1)
    assert overrun(tmp_path / "note") == (said and Overrun(said, (7, 8)))


def test_an_episode_without_time_left_is_not_begun(tmp_path: Path) -> None:
    spent = Thing(work=Thing(index=0), timings={"reset": 3.0, "step": 2.5})
    with (
        pytest.raises(TimeoutError, match="episode_timeout=5 s"),
        Clock(Limits(1, 5), tmp_path / "n")("step", [spent]),
    ):
        pytest.fail("it has no time")


def test_worker_processes_that_really_die_leave_no_trace(tmp_path: Path) -> None:
    """Each of a segmentation fault, an exit and a kill once, at other seeds: the set of calm workers."""
    marks = tmp_path / "marks"
    settings = {"policy": "tests.misbehaving:Stumbling", "policy_args": {"folder": str(marks)}, "episodes": 9}
    collect(configuration(tmp_path / "calm", **settings), progress=False)
    marks.mkdir()
    result = collect(configuration(tmp_path / "set", **settings, workers=2, slots=2), progress=False)
    assert result.outcomes == {"success": 9}
    assert {path.name for path in marks.iterdir()} == {"segfault", "_exit", "kill"}
    assert contents(tmp_path / "set") == contents(tmp_path / "calm")


def test_a_simulator_that_hangs_in_c_ends_its_episode(tmp_path: Path) -> None:
    """One worker with a limit is a process too."""
    kwargs = {"expert": True, "how": "hang"}
    config = configuration(
        tmp_path, env=OURS, env_kwargs=kwargs, policy="oracle", decision_timeout=2, slots=2, episodes=5
    )
    assert collect(config, progress=False).outcomes == {"success": 4, "error": 1}
    ((error,), published) = found(tmp_path)
    assert (error["seed"], published) == (2, 4)
    assert error["message"] == "TimeoutError: a step of the environment took longer than decision_timeout=2 s"
    assert json.loads((tmp_path / "meta/uio2_agent.json").read_text())["config"]["policy"] == "oracle"


@pytest.mark.parametrize(("address", "tries"), [("10.0.0.1:6379", 1), (None, 3)])
def test_a_cluster_that_does_not_answer_is_asked_once(
    address: str | None, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray waits long for another machine; a slow start of its own on this one is worth another try."""
    asked = []

    def init(**options: object) -> None:
        asked.append(options["address"])
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    told = pytest.raises(UIO2Error, match=r"cannot (join|start).*nobody there.*try again")
    with told, ray_started(2, address):
        pass
    assert asked == [address or "local"] * tries


def test_short_episodes_are_sent_together_and_what_was_played_comes_before_an_error(monkeypatch):
    """By a clock that each episode moves on."""
    now = [0.0]
    monkeypatch.setattr(actors.time, "monotonic", lambda: now[0])

    def played(*seconds: float, error: Exception | None = None) -> Iterator[Played]:
        for index, each in enumerate(seconds):
            now[0] += each
            yield Played(index, None)
        if error:
            raise error

    def sent(episodes: Iterator[Played]) -> list[list[int]]:
        return [[each.index for each in together] for together in actors._gathered(episodes)]

    assert sent(played(0.04, 0.04, 0.04, 0.04)) == [[0, 1, 2], [3]]
    assert sent(played(0.5, 0.5)) == [[0], [1]]
    lists = actors._gathered(played(0.01, 0.01, error=ValueError("no more")))
    assert [each.index for each in next(lists)] == [0, 1]
    with pytest.raises(ValueError, match="no more"):
        next(lists)
