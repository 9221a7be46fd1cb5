"""Which tasks are played at which level, by the words that ask for them."""

import pytest

import envs
from rollouts.errors import RolloutError
from rollouts.worklist import bodies, one_level, one_task, shard_numbers, tasks_by_level, work_items

ONLY_AT_ONE = ("novel_adj_and_noun", "follow_motion", "sweep_without_touching", "same_texture")
"""The tasks of VIMA-Bench's fourth level (arXiv 2210.03094)."""


@pytest.mark.parametrize("task", ONLY_AT_ONE)
def test_a_task_of_one_level_chooses_it(task: str) -> None:
    assert tasks_by_level("vima", task, None) == {"novel_task": (task,)}
    assert one_level("vima", [task], None) == one_task("vima", task, None) == ("novel_task", (task,))
    assert {item.level for item in work_items("vima", task, None, seed=0, episodes=2)} == {"novel_task"}
    with pytest.raises(RolloutError, match=f"level=L1 lacks {task}, which exists at novel_task"):
        tasks_by_level("vima", task, "L1")


def test_a_task_of_several_levels_takes_the_default_beside_it() -> None:
    assert tasks_by_level("vima", "same_texture,rotate", None) == {
        "placement": ("rotate",),
        "novel_task": ("same_texture",),
    }
    work = work_items("vima", ["same_texture", "rotate"], None, seed=7, episodes=1)
    assert [(item.index, item.task, item.level, item.seed) for item in work] == [
        (0, "rotate", "placement", 7),
        (1, "same_texture", "novel_task", 7),
    ]
    with pytest.raises(RolloutError, match="one level at a time, found placement, novel_task"):
        one_level("vima", ["same_texture", "rotate"], None)


def test_all_and_nothing_asked_for_stay_at_the_default_level() -> None:
    suite = envs.suite("vima")
    for every in ("all", ["all"]):
        assert tasks_by_level("vima", every, None) == {"placement": suite.tasks_at("placement")}
    assert tasks_by_level("vima", None, None) == {"placement": suite.default_tasks}
    assert one_task("vima", None, None) == ("placement", suite.default_tasks[:1])
    found = tasks_by_level("vima", "all", "all")
    assert list(found) == ["placement", "combinatorial", "novel_object", "novel_task"]
    assert found == {level: suite.tasks_at(level) for level in found}


def test_tasks_of_another_body_are_named() -> None:
    assert tasks_by_level("procthor", "all", None) == {"medium": ("ObjectNav",)}
    assert bodies("procthor", "all", None) == ("navigation",)
    assert bodies("procthor", "PickAndPlace", "all") == ("household",)
    assert bodies("procthor", "ObjectNav,PickAndPlace", None) == ("navigation", "household")
    assert one_task("procthor", "PickAndPlace", None) == ("medium", ("PickAndPlace",))


@pytest.mark.parametrize(
    ("task", "level", "said"),
    [
        (["rotate", "same_texture"], "placement", "lacks same_texture, which exists at novel_task"),
        ("rotate", "L4", "lacks rotate, which exists at placement, combinatorial, novel_object, train"),
        ([], None, "task=\\[\\]"),
        ("rotate", [], "level=\\[\\] lacks rotate"),
    ],
)
def test_what_no_level_holds_is_named(task: list[str] | str, level: list[str] | str, said: str) -> None:
    with pytest.raises(RolloutError, match=said):
        tasks_by_level("vima", task, level)


def test_a_task_named_twice_is_played_once() -> None:
    assert len(work_items("vima", "rotate,rotate", None, seed=0, episodes=3)) == 3


@pytest.mark.parametrize(
    "shard", ["", "1", "0/2", "3/2", "1/0", "1/2/3", "-1/2", " 1/2", "١/٢", "1/" + "9" * 5000]
)
def test_a_shard_is_i_of_n(shard: str) -> None:
    assert shard_numbers("2/3") == (2, 3)
    with pytest.raises(RolloutError, match="is not i/n"):
        shard_numbers(shard)
