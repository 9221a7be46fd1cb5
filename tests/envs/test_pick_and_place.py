"""ProcTHOR's pick and place in the embedded house."""

import numpy as np
import pytest

from envs import EnvError, suite
from envs.contract import check, passed
from envs.house.objects import object_types
from envs.house.tasks.body import LEFT, STOP
from envs.house.tasks.household import ACTIONS, CLOSE, OPEN, PICK, PUT
from envs.procthor.pick_and_place import OBJECTS, RECEPTACLES


def act(number: int, point: tuple[float, float] = (0.5, 0.5)) -> dict:
    return {"action": number, "point": np.array(point, np.float32)}


def made(level: str = "small", **options):
    return suite("procthor").make("PickAndPlace", level, size=32, sensors=[], **options)


def played(env, info) -> tuple[list[int], dict]:
    done = []
    while info.get("expert_action") is not None:
        done.append(int(info["expert_action"]["action"]))
        *_, info = env.step(info["expert_action"])
    return done, info


def test_the_contract() -> None:
    rows = check("procthor", tasks="PickAndPlace", options={"size": 64}, seeds=(0,))
    assert passed(rows), [row for row in rows if row.verdict == "off"]


def test_categories() -> None:
    types = object_types()
    assert all(types[name].moves == "carried" for name in OBJECTS)
    assert {"Apple", "Mug", "Book", "Pillow"} <= set(OBJECTS) and not {"Pen", "Knife", "Sofa"} & set(OBJECTS)
    assert {"Sofa", "Sink", "Fridge"} <= set(RECEPTACLES) and not {"Bowl", "Chest", "Television"} & set(
        RECEPTACLES
    )


def test_the_expert_brings_it() -> None:
    env = made(expert=True)
    for seed in range(4):
        _, info = env.reset(seed=seed)
        assert info["metrics"]["placed"] == info["metrics"]["picked"] == 0
        shortest = info["metrics"]["distance_to_goal"]
        done, info = played(env, info)
        metrics = info["metrics"]
        assert info["success"] and metrics["placed"] == metrics["picked"] == 1
        assert done[-1] == STOP and done.count(PICK) == done.count(PUT) == 1
        assert metrics["spl"] == pytest.approx(shortest / max(shortest, metrics["path_length"]))
        assert metrics["distance_to_goal"] == metrics["failed_interactions"] == metrics["collisions"] == 0
        assert _lies_within(env.unwrapped._simulator, info["target"], info["receptacle"])
    env.close()


def _lies_within(simulator, target: str, receptacle: str) -> bool:
    """Whether some object is between the sides of some receptacle, and no lower than that stands."""
    boxes = {
        name: [simulator.box(id) for id in simulator.states if simulator.thing(id).type == name]
        for name in (target, receptacle)
    }
    return any(
        ((low - 0.01 <= (first + last) / 2) & ((first + last) / 2 <= high + 0.01))[:2].all()
        and first[2] >= low[2]
        for first, last in boxes[target]
        for low, high in boxes[receptacle]
    )


def test_what_is_closed_is_opened_first() -> None:
    env = made("medium", expert=True, receptacle="Fridge")
    _, info = env.reset(seed=3)
    assert info["prompt"].endswith(" in the fridge.")
    done, info = played(env, info)
    assert info["success"] and done.index(OPEN) == done.index(PUT) - 1 and CLOSE not in done
    env.close()


def test_what_fails_changes_nothing_and_counts() -> None:
    env = made(expert=True)
    _, info = env.reset(seed=1)
    before = env.unwrapped._simulator.state()["states"]
    for action, said in (
        (act(PUT), "Can't place an object if Agent isn't holding anything"),
        (act(PICK, (0.5, 1.0)), "must have the property CanPickup"),
        (act(OPEN, (0.5, 1.0)), "is not an Openable object"),
        (act(CLOSE, (0.0, 0.0)), "not found within the specified visibility"),
    ):
        *_, info = env.step(action)
        assert info["message"] and said in info["message"]
    after = env.unwrapped._simulator.state()["states"]
    assert all(np.array_equal(before[id].position, after[id].position) for id in before)
    assert info["metrics"]["failed_interactions"] == 4 and not info["failure"]
    *_, info = env.step(act(LEFT))
    assert info["message"] == "" and info["metrics"]["failed_interactions"] == 4
    _, info = played(env, info)
    assert info["success"]
    env.close()


def test_stopping_before_it_is_there_fails_and_so_does_holding_it() -> None:
    env = made(expert=True)
    _, info = env.reset(seed=2)
    while info["held"] != info["target"]:
        observation, *_, info = env.step(info["expert_action"])
        assert observation["holding"][0] == (info["held"] != "")
    assert info["metrics"]["picked"] == 1 and info["metrics"]["placed"] == 0
    _, reward, terminated, _, info = env.step(act(STOP))
    assert terminated and reward == 0 and info["failure"] and info["metrics"]["spl"] == 0
    env.close()


def test_the_expert_puts_away_what_nobody_asked_for() -> None:
    env = made(expert=True)
    _, info = env.reset(seed=0)
    simulator = env.unwrapped._simulator
    wrong = next(
        id
        for id in simulator.states
        if simulator.thing(id).type in OBJECTS and simulator.thing(id).type != info["target"]
    )
    simulator.take(wrong)
    env.unwrapped._plan = None
    *_, info = env.step(act(LEFT))
    assert info["held"] not in ("", info["target"])
    done, info = played(env, info)
    assert info["success"] and done.count(PUT) == 2 and info["metrics"]["failed_interactions"] == 0
    env.close()


def test_the_expert_opens_a_door_that_shuts_it_off() -> None:
    env = made(expert=True)
    for seed in range(8):
        _, info = env.reset(seed=seed)
        simulator = env.unwrapped._simulator
        for id in [id for id in simulator.states if simulator.thing(id).type == "Doorway"]:
            simulator.open(id, 0.0)
        env.unwrapped._plan = None
        *_, info = env.step(act(LEFT))
        if np.isinf(info["metrics"]["distance_to_goal"]):
            break
    assert np.isinf(info["metrics"]["distance_to_goal"])
    done, info = played(env, info)
    assert info["success"] and OPEN in done
    env.close()


def test_impossible_actions() -> None:
    env = made()
    env.reset(seed=0)
    nowhere = act(PICK, (0.5, float("nan")))
    for action in (1, {"action": 1}, act(len(ACTIONS)), act(PICK, (0.5, 1.1)), nowhere, None):
        with pytest.raises(EnvError, match="action"):
            env.step(action)


def test_arguments() -> None:
    env = made("medium", target="Mug", receptacle="Sofa")
    assert env.reset(seed=0)[1]["prompt"] == "Put the mug on the sofa."
    for options, said in (({"target": "Pen"}, "Apple"), ({"receptacle": "Mugg"}, "Bed")):
        with pytest.raises(EnvError, match=said):
            made(**options)
