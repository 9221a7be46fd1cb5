"""Difficulties medium and hard of the 17 tasks: what an episode is made of, what stays as at easy, who wins.

Numbers are those of the published package's `set_difficulty`, written down here by hand.
"""

from collections import Counter

import gymnasium
import numpy as np
import pytest

from envs.base import FIRST_HELD_OUT_SEED as HELD_OUT
from envs.errors import EnvError
from envs.vima import TASKS, Task, VimaEnv
from envs.vima.levels import TASK_LEVELS, pools_for
from envs.vima.tasks.base import exchange_textures
from envs.vima.things.objects import OBJECTS
from tests.envs.requests import request_for

pytestmark = pytest.mark.usefixtures("rendering")

DIFFICULTIES = ("easy", "medium", "hard")
ALIKE = ("rearrange", "rearrange_then_restore")
TEXTURES_ONLY = ("visual_manipulation", "scene_understanding", "novel_noun")
OBJECTS_BY_DIFFICULTY = {
    **dict.fromkeys(TEXTURES_ONLY, (3, 3, 3)),
    "rotate": (2, 4, 6),
    "twist": (3, 4, 5),
    "novel_adj": (3, 4, 4),
    "novel_adj_and_noun": (5, 6, 6),
    "follow_motion": (2, 2, 2),
    "follow_order": (4, 5, 5),
    "same_texture": (4, 5, 7),
    "same_shape": (4, 5, 7),
    "manipulate_old_neighbor": (6, 7, 9),
    "pick_in_order_then_restore": (7, 7, 7),
}
"""How many objects stand on the table; those of the other tasks are drawn."""
ORACLE_STEPS = {
    **dict.fromkeys(TASKS, (3, 3, 3)),
    "rearrange": (5, 5, 5),
    "rearrange_then_restore": (8, 8, 8),
    "twist": (5, 6, 7),
    "follow_motion": (2, 3, 4),
    "follow_order": (4, 5, 6),
    "sweep_without_exceeding": (8, 8, 8),
    "sweep_without_touching": (14, 14, 14),
    "same_texture": (4, 4, 5),
    "same_shape": (4, 4, 5),
    "manipulate_old_neighbor": (4, 4, 4),
    "pick_in_order_then_restore": (4, 4, 5),
}


def make(task, difficulty, **options):
    return VimaEnv(task, TASK_LEVELS[task][0], difficulty=difficulty, **options)


def begin(task, difficulty, seed, **options):
    env = make(task, difficulty, **options)
    _, info = env.reset(seed=seed)
    return info, env.state()["cast"]


def drawn(task, difficulty, seeds=12):
    """Reset one environment to many seeds: info and cast of each."""
    env = make(task, difficulty)
    for seed in range(seeds):
        info = env.reset(seed=seed)[1]
        yield info, env.state()["cast"]


def texture_of(info, body):
    return next(each.texture for each in info["objects"] if each.id == body)


@pytest.mark.parametrize("task", TASKS)
def test_counts_steps_prompt_and_expert(task):
    """Every placeholder has its picture, the model can be asked, and the expert wins within its steps."""
    for place, difficulty in enumerate(DIFFICULTIES):
        env = gymnasium.make(
            f"vima/{task}-v0", level=TASK_LEVELS[task][0], difficulty=difficulty, expert=True
        )
        observation, info = env.reset(seed=HELD_OUT)
        steps = ORACLE_STEPS[task][place]
        assert (info["oracle_max_steps"], info["max_steps"]) == (steps, steps + 2)
        if task in OBJECTS_BY_DIFFICULTY:
            assert len(info["objects"]) == OBJECTS_BY_DIFFICULTY[task][place]
        placeholders = [part.split("}")[0] for part in info["prompt"].split("{")[1:]]
        assert set(info["prompt_assets"]) == set(placeholders)
        request = request_for(observation, info)
        assert len(request.image_history) == len(set(placeholders))
        for _ in range(steps):
            *_, info = env.step(info["expert_action"])
            if "expert_action" not in info:
                break
        assert info["success"], difficulty


def test_unknown_difficulty():
    with pytest.raises(EnvError, match=r"difficulty of twist 'herd'.*hard"):
        VimaEnv("twist", difficulty="herd")

    class Mine(Task):
        name, oracle_max_steps = "mine", 1

    assert Mine().oracle_max_steps == 1
    with pytest.raises(EnvError, match=r"difficulty of mine 'hard'.*easy"):
        Mine(difficulty="hard")


def test_a_state_of_another_difficulty_is_refused():
    easy, hard = make("rotate", "easy"), make("rotate", "hard")
    easy.reset(seed=0)
    with pytest.raises(EnvError, match="difficulty 'easy' does not fit an environment of 'hard'"):
        hard.set_state(easy.state())


@pytest.mark.parametrize("task", ALIKE)
def test_rearrange_is_the_same_at_every_difficulty(task):
    for seed in range(3):
        episodes = [begin(task, difficulty, seed)[0]["objects"] for difficulty in DIFFICULTIES]
        assert episodes[0] == episodes[1] == episodes[2]


@pytest.mark.parametrize("task", TEXTURES_ONLY)
def test_textures_are_exchanged(task):
    """Easy: moved objects wear theirs, bases theirs. Medium: one kind's for both, either in half of the
    episodes. Hard: each the other's.
    """
    pools = pools_for(task, "placement")
    mine, others = set(pools.dragged_textures), set(pools.base_textures)
    assert not mine & others
    worn = {}
    for difficulty in DIFFICULTIES:
        worn[difficulty] = Counter(
            tuple(texture_of(info, cast.one(role)) in mine for role in ("dragged", "base"))
            for info, cast in drawn(task, difficulty, 16)
        )
    assert worn["easy"] == {(True, False): 16} and worn["hard"] == {(False, True): 16}
    assert set(worn["medium"]) == {(True, True), (False, False)}
    streams = map(np.random.default_rng, range(400))
    dragged = sum(exchange_textures(pools, 1, rng).base_textures == pools.base_textures for rng in streams)
    assert 160 < dragged < 240  # four standard deviations
    again = [info["objects"] for info, _ in drawn(task, "medium", 4)]
    assert again == [info["objects"] for info, _ in drawn(task, "medium", 4)]
    shapes = [[each.name for each in begin(task, name, 3)[0]["objects"][:2]] for name in DIFFICULTIES]
    assert shapes[0] == shapes[1] == shapes[2], "the other draws are those of easy"


@pytest.mark.parametrize(
    ("task", "numbers"),
    [
        ("rotate", {"medium": {(1, 3)}, "hard": {(1, 5)}}),
        ("twist", {"medium": {(1, 3), (2, 2), (3, 1)}, "hard": {(1, 4), (2, 3), (3, 2), (4, 1)}}),
        ("same_texture", {"medium": {(2, 2)}, "hard": {(3, 3)}}),
        ("same_shape", {"medium": {(2, 2)}, "hard": {(3, 3)}}),
    ],
)
def test_who_belongs_and_who_distracts(task, numbers):
    for difficulty, expected in numbers.items():
        found = set()
        for info, cast in drawn(task, difficulty, 16):
            textures = [texture_of(info, body) for body in cast.distractors]
            found.add((len(cast.roles["dragged"]), len(cast.distractors)))
            assert not {texture_of(info, body) for body in cast.roles["dragged"]} & set(textures)
        assert found == expected


@pytest.mark.parametrize(
    ("difficulty", "odds", "factor"),
    [("easy", (2, 1, 1), 0.75), ("medium", (1, 2, 1), 1.35), ("hard", (1, 1, 2), 1.85)],
)
def test_sweeps(difficulty, odds, factor):
    """The number of blocks is an episode's first draw; the line gets longer where it bars the opening, only
    there.
    """
    expected = [1 + np.random.default_rng(seed).choice(3, p=np.divide(odds, 4)) for seed in range(16)]
    assert set(expected) == {1, 2, 3}
    for task, length in (("sweep_without_touching", factor), ("sweep_without_exceeding", 1.35)):
        numbers = []
        for info, cast in drawn(task, difficulty, 16):
            numbers.append(len(cast.roles["swept"]))
            assert len(cast.distractors) == numbers[-1]
            line = next(each for each in info["objects"] if each.name == "line")
            assert line.size[0] == pytest.approx(OBJECTS["line"].size_low[0] * length)
        assert numbers == expected


def test_follow_motion_and_order_show_every_frame():
    for difficulty, frames in (("medium", 4), ("hard", 5)):
        shown = " ".join(f"{{frame_{i}}}" for i in range(frames))
        info, cast = begin("follow_motion", difficulty, 1)
        assert info["prompt"] == f"Follow this motion for {{dragged_obj}}: {shown}."
        assert len(cast.goals) == frames - 1
        info, cast = begin("follow_order", difficulty, 1)
        assert info["prompt"] == f"Stack objects in this order {shown}."
        assert len(cast.goals) == frames - 1
        piles = info["objects"][:4]
        assert len({pile.texture for pile in piles}) == 4 and len({pile.name for pile in piles}) == 1
        np.testing.assert_allclose([pile.position[1] for pile in piles], (-0.3, -0.1, 0.1, 0.3), atol=1e-9)
        for i in range(frames - 1):  # something moves from each picture to the next
            before, after = (info["prompt_assets"][f"frame_{j}"]["rgb"]["top"] for j in (i, i + 1))
            assert (before != after).any()


@pytest.mark.parametrize(("difficulty", "columns", "empty"), [("medium", 3, 3), ("hard", 4, 4)])
def test_the_array_grows(difficulty, columns, empty):
    steps = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
    for info, cast in drawn("manipulate_old_neighbor", difficulty, 6):
        places = {each.id: each.position[:2] for each in info["objects"]}
        cells = {
            body: (8 * (x - 0.375), (y + 0.5) * (2 + columns) - 1)
            for body, (x, y) in places.items()
            if body != cast.one("base")
        }
        assert len(cells) == 3 * columns - empty
        np.testing.assert_allclose(list(cells.values()), np.round(list(cells.values())), atol=1e-9)
        assert {column for _, column in np.round(list(cells.values())).tolist()} <= set(range(columns))
        assert places[cast.one("base")] == pytest.approx((0.5, 0.5 - 1 / (2 + columns)))
        apart = np.subtract(cells[cast.one("neighbor")], cells[cast.one("dragged")])
        assert tuple(np.round(apart)) == steps[cast.values["direction"]]


def test_three_containers_at_hard():
    info, cast = begin("pick_in_order_then_restore", "hard", 1)
    assert info["prompt"] == (
        "Put {dragged_obj} into {base_obj_1} then {base_obj_2} then {base_obj_3}. "
        "Finally restore it into its original container."
    )
    bases = [each for each in info["objects"] if each.fixed]
    stops = [goal.targets[0].position for goal in cast.goals]
    assert stops == [base.position for base in (*bases[1:4], bases[0])]
    for number in (1, 2, 3):
        shown = info["prompt_assets"][f"base_obj_{number}"]["segm"]["obj_info"]
        assert shown["obj_color"] == bases[number].texture


@pytest.mark.parametrize("task", ["novel_adj", "novel_adj_and_noun"])
def test_the_other_shape_looks_wrong_at_medium_and_right_at_hard(task):
    for seed in range(8):
        scenes = {name: begin(task, name, seed)[0]["objects"] for name in DIFFICULTIES}
        for difficulty, like in (("medium", 2), ("hard", 1)):
            _, asked, wrong, other = scenes[difficulty][:4]
            assert asked.name == wrong.name != other.name
            model = scenes[difficulty][like]
            assert (other.texture, other.scale) == (model.texture, model.scale)
            assert other.size == pytest.approx(model.size)
            assert (asked.texture, asked.scale) != (wrong.texture, wrong.scale)
            assert scenes[difficulty][:3] == scenes["easy"][:3]
