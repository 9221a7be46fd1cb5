"""What labels say of a picture, against what the simulator did: where things lie when the task is solved."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from policies.embodiments.vima import VIMA
from pretrain.examples import Example, goal_picture, plan_example
from pretrain.moments import moment
from pretrain.patch_labels import FIRST_VIEW, NOTHING, SCENE, Labeller, Labels
from pretrain.recasting import as_motion, as_rearrangement
from pretrain.sources import LeRobotSource, StoredEpisode
from rollouts.collect import CollectConfig, collect
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.processor import Processor
from uio2_agent.text.tokenizer import TextTokenizer

STYLE = VIMA.style(small=True)
BIN_M = np.array([0.5, 1.0]) / 999
NEAR_M = 0.025
"""What the middle of a thing's box, seen from above, may be off its origin on an axis; a patch is 0.064."""


@pytest.fixture(scope="module")
def episodes(tmp_path_factory, rendering) -> list[StoredEpisode]:
    output = tmp_path_factory.mktemp("labels") / "set"
    tasks = ("rearrange", "rearrange_then_restore", "visual_manipulation", "follow_order")
    collect(CollectConfig(output=str(output), tasks=tasks, level="train", episodes=12, success_only=True))
    source = LeRobotSource(Path(output))
    return [source[index] for index in range(len(source))]


def _labels(example: Example, episode: StoredEpisode) -> tuple[Labels, list[tuple[str, str]]]:
    """Labels of one example, and what its name and texture ids mean, by object."""
    things = [(thing["name"], thing["texture"]) for thing in episode.objects[0]]
    names, textures = sorted({name for name, _ in things}), sorted({texture for _, texture in things})
    config = UnifiedIO2Config.preset("nano")
    _, labels = Labeller(Processor(config, TextTokenizer.packaged()), names, textures)([example])
    pairs = [(names.index(name), textures.index(texture)) for name, texture in things]
    return labels, pairs


def _elsewhere(labels: Labels, place: int) -> dict[tuple[int, int], np.ndarray]:
    """Bins that the patches of each object tell of a place, by name and texture ids."""
    told = labels.elsewhere[0, :, place].numpy()
    ids = np.stack([labels.name[0].numpy(), labels.texture[0].numpy()], -1)
    return {tuple(i): bins for i, bins in zip(ids.tolist(), told, strict=True) if bins[0] != NOTHING}


@pytest.mark.parametrize("flags", [(), (True, False)])
def test_patches_know_where_the_scene_wants_their_things(episodes, flags):
    """A solved rearrangement ends with every thing where the scene of the prompt shows it."""
    found = 0
    for episode in (each for each in episodes if each.task == "rearrange"):
        now = moment(episode, 0, ["top"], flags)
        labels, pairs = _labels(plan_example(now, VIMA, STYLE), episode)
        told = _elsewhere(labels, SCENE)
        final = VIMA.object_bins(episode.final_objects)
        if flags:
            final[:, 1] = 999 - final[:, 1]
        for pair, bins in zip(pairs, final, strict=True):
            if pair in told:
                found += 1
                assert (np.abs(told[pair] - bins) * BIN_M).max() < NEAR_M, (episode.seed, pair)
    assert found >= 5


def test_patches_know_where_their_things_were_at_first(episodes):
    found = 0
    for episode in (each for each in episodes if each.task == "rearrange_then_restore"):
        now = moment(episode, episode.length - 1, ["top"])
        labels, pairs = _labels(plan_example(now, VIMA, STYLE), episode)
        told = _elsewhere(labels, FIRST_VIEW)
        for pair, bins in zip(pairs, VIMA.object_bins(episode.objects[0]), strict=True):
            if pair in told:
                found += 1
                np.testing.assert_array_equal(told[pair], bins)
    assert found >= 5


def test_pictures_of_single_things_tell_no_place(episodes):
    """Nor is there a first view before the first step; the labels of the scene's patches tell both."""
    of_task = {episode.task: episode for episode in episodes}
    now = moment(of_task["visual_manipulation"], 0, ["top"])
    labels, _ = _labels(plan_example(now, VIMA, STYLE), of_task["visual_manipulation"])
    assert (labels.history_name != NOTHING).any()
    assert (labels.history_centre == NOTHING).all()
    assert (labels.elsewhere == NOTHING).all()
    now = moment(of_task["rearrange"], 0, ["top"])
    labels, _ = _labels(plan_example(now, VIMA, STYLE), of_task["rearrange"])
    assert ((labels.history_centre[..., 0] != NOTHING) == (labels.history_name != NOTHING)).all()
    assert (labels.elsewhere[:, :, FIRST_VIEW] == NOTHING).all()


def test_of_several_scenes_the_one_behind_the_steps_done_tells_the_place(episodes):
    """In the order to follow, what is picked next lies there where it is placed."""
    found = 0
    for episode in (each for each in episodes if each.task == "follow_order"):
        for step in range(episode.length):
            example = plan_example(moment(episode, step, ["top"]), VIMA, STYLE)
            labels, _ = _labels(example, episode)
            (told,) = np.unique(labels.elsewhere[0, labels.role[0] == 1, SCENE].numpy(), axis=0)
            place = VIMA.parse(example.target)[0].action["pose1_position"]
            place = VIMA.object_bins([{"position": place}])[0]
            assert (np.abs(told - place) * BIN_M).max() < NEAR_M, (episode.seed, step)
            found += 1
    assert found >= 6


@pytest.mark.parametrize("flags", [(), (True, True)])
def test_a_demonstration_recast_as_a_rearrangement_shows_how_it_ended(episodes, flags):
    """The thing that is moved is told to lie where its action places it; whoever returns is not recast."""
    recast = 0
    for episode in episodes:
        for step in range(episode.length):
            other = as_rearrangement(episode, step, ["top"], VIMA)
            if other is None:
                continue
            assert episode.task != "rearrange_then_restore" or step > 0
            recast += 1
            now = moment(episode, step, ["top"], flags, recast=other)
            example = plan_example(now, VIMA, STYLE)
            assert example.request.text.startswith("Rearrange to this <image_history_1>")
            labels, _ = _labels(example, episode)
            picked = labels.role[0] == 1
            (told,) = np.unique(labels.elsewhere[0, picked, SCENE].numpy(), axis=0)
            (first, *_) = VIMA.parse(example.target)
            place = VIMA.object_bins([{"position": first.action["pose1_position"]}])[0]
            assert (np.abs(told - place) * BIN_M).max() < 2 * NEAR_M
    assert recast >= 6


def test_a_demonstration_recast_as_a_way_shows_each_stop(tmp_path, rendering):
    """What is picked lies, in the picture behind the steps done, where its action places it; the words are
    those of the task that asks for ways, and nothing else is recast.
    """
    tasks = ("pick_in_order_then_restore", "visual_manipulation", "rearrange")
    output = str(tmp_path / "set")
    collect(CollectConfig(output=output, tasks=tasks, level="train", episodes=12, success_only=True))
    source, found = LeRobotSource(Path(output)), 0
    for episode in (source[index] for index in range(len(source))):
        for step in range(episode.length):
            way = as_motion(episode, step, ["top"], VIMA)
            if way is None:
                continue
            assert episode.task != "rearrange"
            now = moment(episode, step, ["top"], recast=way)
            example = plan_example(now, VIMA, STYLE)
            assert example.request.text.startswith(
                "Follow this motion for <image_history_1>: <image_history_2> <image_history_3>"
            )
            labels, _ = _labels(example, episode)
            (told,) = np.unique(labels.elsewhere[0, labels.role[0] == 1, SCENE].numpy(), axis=0)
            steps = VIMA.parse(example.target)
            assert [each.number for each in steps] == list(range(step - way.first, way.end - way.first))
            place = VIMA.object_bins([{"position": steps[0].action["pose1_position"]}])[0]
            assert (np.abs(told - place) * BIN_M).max() < 2 * NEAR_M, (episode.task, episode.seed, step)
            found += 1
    assert found >= 12


@pytest.mark.parametrize("flags", [(), (True, False)])
def test_a_goal_that_is_shown_tells_where_things_will_lie(episodes, flags):
    """As a scene of the prompt does, which comes first where there is one. What comes in between is not asked
    for: the last step's thing lies where its action places it.
    """
    style, found = dataclasses.replace(STYLE, goal=True), 0
    for episode in (each for each in episodes if each.task != "rearrange_then_restore"):
        goal = goal_picture(episode, VIMA, style)
        now = moment(episode, episode.length - 1, ["top"], flags, goal=goal)
        example = plan_example(now, VIMA, style)
        labels, _ = _labels(example, episode)
        (told,) = np.unique(labels.elsewhere[0, labels.role[0] == 1, SCENE].numpy(), axis=0)
        place = VIMA.parse(example.target)[0].action["pose1_position"]
        place = VIMA.object_bins([{"position": place}])[0]
        assert (np.abs(told - place) * BIN_M).max() < 2 * NEAR_M, (episode.task, episode.seed)
        frame = len(example.request.image_history) - 1
        assert (labels.history_centre[0, frame, :, 0] != NOTHING).any()
        without = plan_example(dataclasses.replace(now, goal=None), VIMA, style)
        assert ((_labels(without, episode)[0].elsewhere[:, :, SCENE] != NOTHING).any()) == (
            episode.task != "visual_manipulation"
        )
        found += 1
    assert found >= 9
