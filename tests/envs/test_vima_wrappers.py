"""Wrappers as users of other libraries meet them, and pictures of any size, against closed forms."""

import functools
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401  (registers the ids)
from envs.errors import EnvError
from envs.vima import TASKS, VimaEnv
from envs.vima.crops import object_tokens
from envs.vima.table.camera import CAMERAS, VIEWS
from envs.vima.table.world import object_asset, scene_asset
from envs.vima.wrappers import flatten_action, text_prompt, unflatten_action
from envs.wrappers import Depth, FlatActions, FlatImage, ObjectCrops, TextPrompt

pytestmark = pytest.mark.usefixtures("rendering")

BLOCK = 0.07


def make(*wrappers, task: str = "rotate", **arguments) -> gymnasium.Env:
    env = gymnasium.make(f"vima/{task}-v0", level="placement", **arguments)
    return functools.reduce(lambda inner, wrapper: wrapper(inner), wrappers, env)


def with_block(env: gymnasium.Env, x: float, y: float, seed: int = 1):
    """Reset to a red block at (x, y), the other object in a corner; returns observation, info and its id."""
    _, info = env.reset(seed=seed)
    where = [(x, y), (0.3, -0.42)]
    records = [
        {
            "id": state.id, "name": "block", "texture": "red", "fixed": False, "size": (BLOCK,) * 3,
            "position": (*place, BLOCK / 2), "quaternion": (0, 0, 0, 1),
        }
        for state, place in zip(info["objects"], where, strict=True)
    ]  # fmt: skip
    observation, info = env.reset(seed=seed, options={"objects": records})
    return observation, info, info["objects"][0].id


ALL = {
    "flat actions": (FlatActions,),
    "flat image": (FlatImage,),
    "small image": (functools.partial(FlatImage, size=(84, 84)),),
    "text": (TextPrompt,),
    "crops": (ObjectCrops,),
    "depth": (Depth,),
    "together": (ObjectCrops, Depth, TextPrompt, FlatActions),
    "for a learner": (TextPrompt, functools.partial(FlatImage, views=("top",)), FlatActions),
}


@pytest.mark.parametrize("name", ALL)
def test_gymnasium_checker(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space.*")
        warnings.filterwarnings("ignore", message=".*different from the unwrapped version.*")
        check_env(make(*ALL[name]))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_environments(mode):
    vector = gymnasium.make_vec(
        "vima/rotate-v0",
        num_envs=2,
        vectorization_mode=mode,
        wrappers=ALL["together"],
        expert=True,
        level="placement",
    )
    try:
        observation, info = vector.reset(seed=[1, 2])
        assert observation["depth"]["top"].shape == (2, 128, 256)
        assert observation["objects"]["front"]["crop"].shape == (2, 8, 3, 32, 32)
        assert info["expert_action"].shape == (2, 6) and "{" not in "".join(info["prompt"])
        alone = make(*ALL["together"]).reset(seed=2)[0]
        np.testing.assert_array_equal(observation["objects"]["top"]["box"][1], alone["objects"]["top"]["box"])
        _, rewards, terminated, _, _ = vector.step(info["expert_action"])
        assert list(rewards) == [1, 1] and terminated.all()
    finally:
        vector.close()


# actions


def test_flat_actions_span_the_workspace_and_half_a_turn():
    action = unflatten_action([-1, 1, 0, 0, -0.5, 0.5])
    np.testing.assert_allclose(action["pose0_position"], (0.25, 0.5))
    np.testing.assert_allclose(action["pose1_position"], (0.5, -0.25))
    np.testing.assert_allclose(action["pose0_rotation"], (0, 0, 0, 1))
    np.testing.assert_allclose(action["pose1_rotation"], (0, 0, 0.5**0.5, 0.5**0.5), rtol=1e-6)
    outside = unflatten_action([-3, 7, 0, 0, -0.5, 0.5])
    np.testing.assert_array_equal(outside["pose0_position"], action["pose0_position"])
    for broken in ([0] * 5, [0, 0, 0, 0, 0, np.nan], [0, 0, 0, 0, 0, 10**400], [[0] * 6], "left", None):
        with pytest.raises(EnvError, match="6 finite number"):
            unflatten_action(broken)


def test_flat_actions_return_after_there_and_back():
    numbers = np.random.default_rng(0).uniform(-1, 1, (50, 6)).astype(np.float32)
    for row in numbers:
        np.testing.assert_allclose(flatten_action(unflatten_action(row)), row, atol=2e-6)


@pytest.mark.parametrize("task", ["rotate", "visual_manipulation", "sweep_without_exceeding"])
def test_the_expert_solves_tasks_in_flat_actions(task):
    env = make(FlatActions, task=task, expert=True)
    _, info = env.reset(seed=12)
    terminated = False
    while not terminated:
        assert info["expert_action"] in env.action_space
        _, reward, terminated, truncated, info = env.step(info["expert_action"])
        assert not truncated
    assert reward == 1


# pictures


def test_flat_image_is_the_rendered_picture():
    env = make(FlatImage, render_mode="rgb_array")
    np.testing.assert_array_equal(env.reset(seed=3)[0], env.render())
    top = make(functools.partial(FlatImage, views=("top",))).reset(seed=3)[0]
    np.testing.assert_array_equal(top, env.render()[128:])


def test_a_shrunken_flat_image_averages_pixels():
    whole = make(FlatImage).reset(seed=3)[0].astype(float)
    small = make(functools.partial(FlatImage, size=(64, 64))).reset(seed=3)[0]
    assert small.shape == (64, 64, 3) and small.dtype == np.uint8
    means = whole.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(small - means).max() <= 1
    with pytest.raises(EnvError, match=r"unknown view 'tpo' .did you mean 'top'"):
        make(functools.partial(FlatImage, views=("tpo",)))
    with pytest.raises(EnvError, match="rows and columns"):
        make(functools.partial(FlatImage, size=(84,)))


@pytest.mark.parametrize("size", [(64, 128), (224, 224), (96, 400), (300, 256), (1000, 700)])
def test_pictures_of_any_size(size):
    """The same table, all of it in sight, square pixels, the block where the camera projects it."""
    env = make(image_size=size)
    observation, info, block = with_block(env, 0.55, 0.2)
    assert observation in env.observation_space
    scales = []
    for view in VIEWS:
        assert observation["rgb"][view].shape == (3, *size)
        segm = observation["segm"][view]
        camera = CAMERAS[view].fitted(*size)
        seen = np.argwhere(segm == block) + 0.5
        middle = (0.55, 0.2, BLOCK if view == "top" else BLOCK / 2)
        assert np.abs((seen.min(0) + seen.max(0)) / 2 - camera.project(np.array(middle), *size)).max() < 1.1
        corners = camera.project([(x, y, 0) for x in (0.25, 0.75) for y in (-0.5, 0.5)], *size)
        assert (corners >= 0).all() and (corners <= size).all()
        metres = camera.project([(0.5, 0, 0), (0.5, 1, 0), (-0.5, 0, 0)], *size)
        scales.append((metres[1, 1] - metres[0, 1], metres[0, 0] - metres[2, 0]))
        for asset in info["prompt_assets"].values():
            assert asset["rgb"][view].shape == (3, *size) and asset["segm"][view].shape == size
    assert scales[1][0] == pytest.approx(scales[1][1])  # from above, a metre is as long down as across


def test_twice_the_size_shows_the_same():
    small, large = (make(image_size=size).reset(seed=5)[0] for size in ((128, 256), (256, 512)))
    for view in VIEWS:
        corner = large["segm"][view][::2, ::2]
        assert (corner == small["segm"][view]).mean() > 0.98
    again = make().reset(seed=5)[0]
    np.testing.assert_array_equal(again["rgb"]["front"], small["rgb"]["front"])


@pytest.mark.parametrize("size", [(0, 256), (128,), "large", (128.5, 256), (128, 9999), None])
def test_image_sizes_that_do_not_work(size):
    with pytest.raises(EnvError, match="two whole numbers between"):
        VimaEnv("rotate", image_size=size)


@pytest.mark.parametrize(
    ("wrapper", "says"),
    [
        (functools.partial(FlatImage, views="top"), "a list of views"),
        (functools.partial(FlatImage, views=()), "a list of views"),
        (functools.partial(FlatImage, views=5), "a list of views"),
        (functools.partial(FlatImage, views=[["top"]]), "unknown view"),
        (functools.partial(FlatImage, size=5), "rows and columns"),
        (functools.partial(FlatImage, size="ab"), "rows and columns"),
        (
            functools.partial(FlatImage, size=(84, 0)),
            "each side must be a whole number from 1 to 8192; got 0",
        ),
        (functools.partial(FlatImage, size=(84.5, 84)), "each side must be a whole number"),
        (functools.partial(FlatImage, size=(10**9, 10**9)), "each side must be a whole number"),
        (functools.partial(ObjectCrops, slots=0), "slots must be a whole number from 1 to 250"),
        (functools.partial(ObjectCrops, slots="8"), "slots must be a whole number"),
    ],
)
def test_impossible_wrappers_say_what_is_possible(wrapper, says):
    with pytest.raises(EnvError, match=says):
        make(wrapper)


@pytest.mark.parametrize("wrapper", [FlatActions, FlatImage, ObjectCrops])
def test_other_environments_are_refused_by_name(wrapper):
    with pytest.raises(EnvError, match=f"{wrapper.__name__} takes .*CartPole"):
        wrapper(gymnasium.make("CartPole-v1"))


def test_pictures_of_any_suite():
    """FlatImage and Depth take whatever observes `rgb` by view; the tabletop is not asked."""

    views = {side: gymnasium.spaces.Box(0, 255, (3, 4, 6), np.uint8) for side in ("left", "right")}

    class Twice(gymnasium.Env):
        abilities = frozenset({"depth"})
        farthest_m = 2.0
        action_space = gymnasium.spaces.Discrete(2)
        observation_space = gymnasium.spaces.Dict({"rgb": gymnasium.spaces.Dict(views)})

        def reset(self, *, seed=None, options=None):
            sides = zip(views, (10, 20), strict=True)
            return {"rgb": {side: np.full((3, 4, 6), value, np.uint8) for side, value in sides}}, {}

        def depth(self):
            return {side: np.full((4, 6), 1.5, np.float32) for side in views}

    picture, _ = FlatImage(Twice()).reset()
    assert picture.shape == (8, 6, 3) and picture[:4].max() == 10 and picture[4:].min() == 20
    deep = Depth(Twice())
    observation, _ = deep.reset()
    assert observation in deep.observation_space and observation["depth"]["right"].shape == (4, 6)


# depth


@pytest.mark.parametrize("size", [(128, 256), (200, 150)])
def test_depth_is_metres_along_the_cameras_direction(size):
    env = make(Depth, image_size=size)
    observation, _, block = with_block(env, 0.5, 0.1)
    top = observation["depth"]["top"]
    assert top.shape == size and top.dtype == np.float32
    np.testing.assert_allclose(top[observation["segm"]["top"] == block], 2 - BLOCK, atol=1e-5)
    np.testing.assert_allclose(top[observation["segm"]["top"] == 0], 2.001, atol=1e-5)
    front = observation["depth"]["front"]
    camera = CAMERAS["front"].fitted(*size)
    step = camera.extent / size[0]  # along the slope, depth changes by one pixel's width per pixel
    for point in ((0.5, 0.1, BLOCK), (0.535, 0.1, BLOCK / 2)):  # on the upper face, on the face in front
        row, column = camera.project(np.array(point), *size).astype(int)
        expected = 2 + (np.array(point) - camera.centre) @ np.array(camera.forward)
        assert front[row, column] == pytest.approx(expected, abs=step)


def test_depth_needs_an_environment_that_measures_it():
    with pytest.raises(EnvError, match="measures no depth"):
        Depth(gymnasium.make("CartPole-v1"))


# words


def test_prompts_in_words():
    env = make(TextPrompt, task="visual_manipulation")
    for seed in range(3):
        _, info = env.reset(seed=seed)
        _, plain = env.unwrapped.reset(seed=seed)
        named = {f"{state.texture} {state.name}" for state in info["objects"]}
        moved, base = info["prompt"].removeprefix("Put the ").removesuffix(".").split(" into the ")
        assert {moved, base} <= named
        shown = plain["prompt_assets"]["base_obj"]["segm"]["obj_info"]
        assert base == f"{shown['obj_color']} {shown['obj_name']}"
        assert len(info["prompt_assets"]) == 0


@pytest.mark.parametrize("task", TASKS)
def test_no_placeholder_is_left(task):
    env = TextPrompt(VimaEnv(task))
    prompt = env.reset(seed=0)[1]["prompt"]
    assert "{" not in prompt and "gray" not in prompt


def test_hidden_colours_and_scenes_in_words():
    objects = [("heart", "red swirl"), ("ring", "olive")]
    assets = {"it": object_asset({}, {}, "heart", "gray"), "scene": scene_asset({}, {}, objects)}
    said = text_prompt("Put {it} as in {scene}.", assets)
    assert said == "Put heart as in [red swirl heart, olive ring]."


# crops


def test_a_crop_is_squared_with_black_and_averaged():
    rgb = np.full((3, 128, 256), 9, np.uint8)
    segm = np.zeros((128, 256), np.uint8)
    segm[20:84, 100:132] = 7  # 64 rows, 32 columns
    rgb[:, 20:84, 100:132] = np.array([200, 100, 50], np.uint8)[:, None, None]
    rgb[0, 20:84:2, 100:132] = 100  # every second row: averaged, (200 + 100) / 2
    segm[0, 0] = 8  # a single pixel
    tokens = object_tokens(rgb, segm, [8, 7, 9], slots=4)
    assert tokens["mask"].tolist() == [0, 1, 0, 0]
    assert tokens["box"][1].tolist() == [115, 51, 63, 31]
    crop = tokens["crop"][1]
    assert (crop[:, :, :8] == 0).all() and (crop[:, :, 24:] == 0).all()
    assert (crop[:, :, 8:24].transpose(1, 2, 0) == (150, 100, 50)).all()
    assert not tokens["box"][[0, 2, 3]].any() and not tokens["crop"][[0, 2, 3]].any()


def test_observed_crops():
    env = make(ObjectCrops)
    observation, info, _ = with_block(env, 0.5, 0.2)
    top = observation["objects"]["top"]
    assert top["mask"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    row, column = CAMERAS["top"].project(np.array((0.5, 0.2, BLOCK)))
    pixels = BLOCK * 250.98
    assert np.abs(top["box"][0] - (column, row, pixels, pixels)).max() <= 1.6
    assert np.abs(top["crop"][0].reshape(3, -1).mean(1) - (239, 81, 83)).max() < 8  # red, seen from above
    shown = info["prompt_objects"]["dragged_obj"]["top"]
    assert shown["mask"].tolist() == [1] and shown["crop"].shape == (1, 3, 32, 32)
    assert np.abs(shown["box"][0, :2] - (128, 64)).max() <= 1  # alone in the middle of its picture


def test_a_scene_in_the_prompt_has_a_slot_for_each_object():
    info = make(ObjectCrops, task="scene_understanding").reset(seed=1)[1]
    tokens = info["prompt_objects"]["scene"]["front"]
    assert len(tokens["mask"]) == len(info["prompt_assets"]["scene"]["segm"]["obj_info"])
    assert tokens["mask"].all()


def test_too_many_objects_for_the_slots():
    with pytest.raises(EnvError, match="2 objects on the table, room for 1"):
        make(lambda env: ObjectCrops(env, slots=1)).reset(seed=0)
