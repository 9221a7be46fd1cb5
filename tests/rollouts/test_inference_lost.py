"""Whoever decides is lost, killed, hung or out of memory: nothing is lost and nothing is done twice.

The rare cases are played on the stand-in for Ray, the common ones on Ray.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollouts.collect import collect
from rollouts.errors import RolloutError
from rollouts.limits import Overrun
from tests.rollouts.test_dataset import configuration, contents
from tests.rollouts.test_misbehaviour import OURS, found
from tests.rollouts.test_workers import CALM, StandIn, made, played


def calm(actor: Any, place: int | None) -> None:
    """No fault."""


def at_place(place: int, times: int) -> Callable[[list[int]], Exception | None]:
    """Ends the inference actor that is asked for a place, so many times."""
    left = [times]

    def unserved(places: list[int]) -> Exception | None:
        if place in places and left[0]:
            left[0] -= 1
            return made("ActorDiedError")
        return None

    return unserved


@pytest.mark.parametrize(("workers", "inference"), [(1, 1), (2, 1), (2, 2), (5, 2), (2, 3)])
def test_any_number_of_workers_and_of_those_who_decide(
    workers: int, inference: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = StandIn(calm)
    assert list(played(monkeypatch, stand_in, workers=workers, inference=inference)) == CALM
    assert len(stand_in.inference) == min(workers, inference)
    assert stand_in.killed == []


@pytest.mark.parametrize("times", [1, 2, 4])
def test_lost_inference_is_replaced_and_what_waited_is_played_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = StandIn(calm)
    stand_in.unserved = at_place(4, times)
    results = played(monkeypatch, stand_in, inference=1)
    assert list(results) == CALM
    assert len(stand_in.inference) == times + 1 and stand_in.killed == stand_in.inference[:times]
    assert len(stand_in.made) == 2, "workers stay"
    assert f"2 workers + 1 inference, {times} replaced, batches of 1.0" == results.words()


def test_what_ends_all_inference_is_named_and_nothing_else_suffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice among others, when it cannot be told from them, and then three times alone."""
    stand_in = StandIn(calm)
    stand_in.unserved = at_place(4, 100)
    results = list(played(monkeypatch, stand_in, inference=1))
    assert results[:4] + results[5:] == CALM[:4] + CALM[5:]
    seed, status, message = results[4]
    assert (seed, status, len(stand_in.killed)) == (4, "error", 5)
    assert "3 worker processes died in this episode, task=slide seed=4" in message
    assert "ActorDiedError: said ActorDiedError" in message


def test_a_late_decision_ends_its_episode_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn(calm)
    stand_in.unserved = at_place(4, 1)
    monkeypatch.setattr("rollouts.crew.overrun", lambda note: Overrun("a decision took too long", (4,)))
    late = [(4, "error", "TimeoutError: a decision took too long")]
    assert list(played(monkeypatch, stand_in, inference=1)) == CALM[:4] + late + CALM[5:]


def test_a_worker_lost_beside_lost_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one dies of its own episode while the other waits for nobody."""
    faults = {0}

    def fault(actor: Any, place: int | None) -> Exception | None:
        if place in faults and stand_in.killed:
            faults.discard(place)
            return made("NodeDiedError")
        return None

    stand_in = StandIn(fault)
    stand_in.unserved = at_place(3, 1)
    assert list(played(monkeypatch, stand_in, inference=1)) == CALM
    assert not faults and len(stand_in.inference) == 2 and len(stand_in.made) == 3


def test_inference_that_dies_while_it_loads_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(actor: Any, place: int | None) -> Exception | None:
        return made("OutOfMemoryError") if place is None and actor in stand_in.inference else None

    stand_in = StandIn(fault)
    with pytest.raises(
        RolloutError, match=r"3 worker processes in a row died while they loaded policy=tests"
    ):
        list(played(monkeypatch, stand_in, inference=1))


def test_processes_that_really_die_leave_no_trace(tmp_path: Path) -> None:
    """Who decides dies of a segmentation fault, an exit and a kill, and an environment of a kill, at other
    seeds each: the set of a calm run in one process.
    """
    marks = tmp_path / "marks"
    settings = {
        "env": OURS,
        "env_kwargs": {"expert": True, "how": f"kill once {marks}"},
        "policy": "tests.misbehaving:Stumbling",
        "policy_args": {"folder": str(marks)},
        "episodes": 9,
    }
    collect(configuration(tmp_path / "calm", **settings), progress=False)
    marks.mkdir()
    crew = {"workers": 2, "inference": 1, "slots": 2}
    result = collect(configuration(tmp_path / "set", **settings, **crew), progress=False)
    assert result.outcomes == {"success": 9}
    assert {path.name for path in marks.iterdir()} == {"segfault", "_exit", "kill", "step"}
    assert contents(tmp_path / "set") == contents(tmp_path / "calm")


def test_a_decision_that_hangs_in_c_ends_its_episode(tmp_path: Path) -> None:
    settings = {"policy": "tests.misbehaving:Policy", "policy_args": {"how": "hang"}, "decision_timeout": 3}
    config = configuration(tmp_path, inference=1, slots=2, episodes=5, **settings)
    assert collect(config, progress=False).outcomes == {"success": 4, "error": 1}
    ((error,), published) = found(tmp_path)
    assert (error["seed"], published) == (2, 4)
    assert error["message"] == "TimeoutError: a decision took longer than decision_timeout=3 s"
