"""What labels say of a picture, against what the simulator did: where things lie when the task is solved."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from policies.embodiments.tabletop_places import yaw_of
from policies.embodiments.vima import VIMA
from policies.prompts import scene
from pretrain.examples import Example, cameras_of, goal_picture, goal_view_example, plan_example
from pretrain.moments import moment
from pretrain.patch_labels import CAME, FIRST_VIEW, NOTHING, SCENE, STAYS, Labeller, Labels
from pretrain.recasting import as_motion, as_rearrangement
from pretrain.sources import LeRobotSource, StoredEpisode
from rollouts.collect import CollectConfig, collect
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.processor import Processor
from uio2_agent.media.images import CLIP_MEAN, CLIP_STD
from uio2_agent.request import Target
from uio2_agent.text.tokenizer import TextTokenizer

STYLE = VIMA.style(small=True).fitted(VIMA.cameras)
CAMERAS = cameras_of(STYLE)
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


def _labels(
    example: Example, episode: StoredEpisode, preset: str = "nano"
) -> tuple[Labels, list[tuple[str, str]]]:
    """Labels of one example, and what its name and texture ids mean, by object."""
    things = [(thing["name"], thing["texture"]) for thing in episode.objects[0]]
    names, textures = sorted({name for name, _ in things}), sorted({texture for _, texture in things})
    config = UnifiedIO2Config.preset(preset)
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
        now = moment(episode, 0, CAMERAS, flags)
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
        now = moment(episode, episode.length - 1, CAMERAS)
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
    now = moment(of_task["visual_manipulation"], 0, CAMERAS)
    labels, _ = _labels(plan_example(now, VIMA, STYLE), of_task["visual_manipulation"])
    assert (labels.history_name != NOTHING).any()
    assert (labels.history_centre == NOTHING).all()
    assert (labels.elsewhere == NOTHING).all()
    now = moment(of_task["rearrange"], 0, CAMERAS)
    labels, _ = _labels(plan_example(now, VIMA, STYLE), of_task["rearrange"])
    assert ((labels.history_centre[..., 0] != NOTHING) == (labels.history_name != NOTHING)).all()
    assert (labels.elsewhere[:, :, FIRST_VIEW] == NOTHING).all()


def test_of_several_scenes_the_one_behind_the_steps_done_tells_the_place(episodes):
    """In the order to follow, what is picked next lies there where it is placed."""
    found = 0
    for episode in (each for each in episodes if each.task == "follow_order"):
        for step in range(episode.length):
            example = plan_example(moment(episode, step, CAMERAS), VIMA, STYLE)
            labels, _ = _labels(example, episode)
            (told,) = np.unique(labels.elsewhere[0, labels.role[0] == 1, SCENE].numpy(), axis=0)
            place = VIMA.parse(example.target)[0].action["pose1_position"]
            place = VIMA.object_bins([{"position": place}])[0]
            assert (np.abs(told - place) * BIN_M).max() < NEAR_M, (episode.seed, step)
            found += 1
    assert found >= 6


@pytest.mark.parametrize("flags", [(), (True, False)])
def test_patches_know_how_their_things_stand_and_where_they_go(episodes, flags):
    """What is taken stands after its step where it was told to go, as its yaw before and the turn told add up
    to; a mirrored table has all of it mirrored.
    """
    found = 0
    for episode in episodes:
        for step in range(episode.length - 1):
            now, then = (moment(episode, at, CAMERAS, flags) for at in (step, step + 1))
            labels, _ = _labels(plan_example(now, VIMA, STYLE), episode)
            picked = labels.role[0] == 1
            (posture,) = np.unique(labels.posture[0, picked].numpy(), axis=0)
            (move,) = np.unique(labels.move[0, picked].numpy(), axis=0)
            assert (labels.move[0, ~picked] == NOTHING).all()
            (index,) = (at for at, role in enumerate(VIMA.roles(now)) if role == 1)
            yaw, turn = (np.arctan2(*(2 * bins / 999 - 1)[::-1]) for bins in (posture[:2], move[2:]))
            after = yaw_of(episode.objects[step + 1][index]["quaternion"])
            end = np.array([np.cos(after), np.sin(after) * (-1 if flags else 1)])
            assert np.abs(end - (np.cos(yaw + turn), np.sin(yaw + turn))).max() < 0.08, (episode.seed, step)
            assert (np.abs(move[:2] - VIMA.object_bins(then.objects)[index]) * BIN_M).max() < 2 * NEAR_M
            assert labels.asked[0] == NOTHING and (labels.contrast == NOTHING).all()
            tall = episode.objects[step][index]["size"][2]
            assert abs(posture[2] / 999 * 0.2 - tall) < 1e-3
            found += 1
    assert found >= 6


def test_patches_know_what_an_adjective_asks_for(tmp_path, rendering):
    """What colours of the prompt's pairs say is asked for; what is taken is so, and the thing like it the
    opposite.
    """
    output = str(tmp_path / "set")
    collect(CollectConfig(output=output, tasks=("novel_adj",), level="train", episodes=16, success_only=True))
    source, kinds = LeRobotSource(Path(output)), set()
    for episode in (source[index] for index in range(len(source))):
        now = moment(episode, 0, CAMERAS)
        labels, _ = _labels(plan_example(now, VIMA, STYLE), episode)
        asked = int(labels.asked[0])
        less = "less" in episode.prompt.split("Put")[1]
        pair = [episode.prompt_assets[f"demo_{less}blicker_obj_1"]["segm"] for less in ("", "less_")]
        dark = [segm["obj_info"]["obj_color"].startswith("dark ") for segm in pair]
        assert asked in ((1, 2) if dark[0] == dark[1] else (3,) if dark[0] != less else (4,))
        opposite = {1: 2, 2: 1, 3: 4, 4: 3}[asked]
        assert (labels.contrast[0, labels.role[0] == 1] == asked).all()
        assert set(labels.contrast[0].tolist()) - {NOTHING} == {0, asked, opposite}
        kinds.add(asked)
    assert len(kinds) >= 3


def test_pairs_of_pictures_tell_the_turn_that_things_make(tmp_path, rendering):
    """Every second picture of twist's prompt; by how much is what the things of the texture have turned by in
    the end.
    """
    output, told = str(tmp_path / "set"), set()
    collect(CollectConfig(output=output, tasks=("twist",), level="train", episodes=8, success_only=True))
    source = LeRobotSource(Path(output))
    for episode in (source[index] for index in range(len(source))):
        labels, _ = _labels(plan_example(moment(episode, 0, CAMERAS), VIMA, STYLE), episode)
        assert (labels.turn[0, ::2] == NOTHING).all()
        ((cosine, sine),) = np.unique(2 * labels.turn[0, 1::2].numpy() / 999 - 1, axis=0)
        turned = []
        for thing, after in zip(episode.objects[0], episode.final_objects, strict=True):
            by = yaw_of(after["quaternion"]) - yaw_of(thing["quaternion"])
            turned += [by] if abs(np.sin(by / 2)) > 0.05 else []
        assert turned
        assert np.abs(np.cos(turned) - cosine).max() < 0.05 and np.abs(np.sin(turned) - sine).max() < 0.05
        told.add(round(float(cosine), 2))
    assert len(told) >= 3


def test_other_prompts_tell_of_no_turn(episodes):
    for episode in episodes:
        labels, _ = _labels(plan_example(moment(episode, 0, CAMERAS), VIMA, STYLE), episode)
        assert (labels.turn == NOTHING).all()


def test_each_patch_knows_the_token_that_is_drawn_in_its_place(episodes):
    """Asked to draw the view there is, a patch of the upper view and its token have one colour, and have not
    with any neighbour's token; patches of the other view, which is not drawn, have none.
    """
    config = UnifiedIO2Config.preset("nano_goal")
    processor = Processor(config, TextTokenizer.packaged())
    for episode in episodes[:4]:
        example = goal_view_example(episode, VIMA, STYLE)
        seen = Target(image=scene(VIMA, example.moment.views, STYLE.drawn))
        batch, labels = Labeller(processor, [], [])([dataclasses.replace(example, target=seen)])
        values = batch.image.values[0].numpy().reshape(224, 256, 3)
        patches = (values * CLIP_STD + CLIP_MEAN).mean(1)  # [224, 3], in the order of the raster
        cut = (batch.image_target.values[0].numpy().reshape(8, 8, 16, 8, 3) + 1) / 2
        tokens, place = cut.mean((1, 3)), labels.drawn[0].numpy()  # [8, 16, 3], [224]
        assert (place[: 16 * 5] == NOTHING).all()
        told = place != NOTHING
        assert sorted(place[told].tolist()) == list(range(128))
        off = {
            (down, right): patches[told] - np.roll(tokens, (down, right), (0, 1)).reshape(-1, 3)[place[told]]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        distance = {shift: np.abs(differs).mean() for shift, differs in off.items()}
        assert min(distance, key=distance.get) == (0, 0) and distance[0, 0] < 0.02, distance


def test_patches_know_what_lies_in_their_places_in_the_end(episodes):
    """What came lies at its end where the patch is, and lay elsewhere; what stays has not moved."""
    came = 0
    for episode in episodes:
        labels, pairs = _labels(goal_view_example(episode, VIMA, STYLE), episode, "nano_goal")
        ending, source = labels.ending[0].numpy(), labels.source[0].numpy()
        first, last = (VIMA.object_bins(things) for things in (episode.objects[0], episode.final_objects))
        assert ((source[:, 0] != NOTHING) == (ending == CAME)).all() and (ending != NOTHING).all()
        named = np.stack([labels.name[0].numpy(), labels.texture[0].numpy()], -1)
        assert (named[ending == STAYS, 0] != NOTHING).all()
        for patch in np.flatnonzero((ending == CAME) & (np.arange(224) >= 96)):
            (moved,) = np.unique(np.flatnonzero((first == source[patch]).all(1)))
            row, column = divmod(int(patch), 16)
            centre = np.array([(row - 5.7) * 16 / 128 * 0.5, (column + 0.5) / 16])  # m of the mat, about
            off = np.abs(centre - last[moved] / 999 * (0.5, 1.0))
            assert off.max() < 0.16 and tuple(named[patch]) != pairs[moved], (episode.seed, patch)
            came += 1
    assert came > 20


def test_goals_are_labelled_as_their_plans_are(episodes):
    """What is to be done is the same; a patch at the edge of a thing may be left out of a plan's request."""
    for episode in episodes[:4]:
        plan, _ = _labels(plan_example(moment(episode, 0, CAMERAS), VIMA, STYLE), episode)
        goal, _ = _labels(goal_view_example(episode, VIMA, STYLE), episode, "nano_goal")
        for name in ("role", "name"):
            values, wanted = (getattr(labels, name)[0] for labels in (goal, plan))
            assert set(values.tolist()) - {NOTHING} == set(wanted.tolist()) - {NOTHING}
        assert (goal.move[0, goal.role[0] == 1] == plan.move[0, plan.role[0] == 1][0]).all()
        assert (plan.drawn == NOTHING).all()


@pytest.mark.parametrize("flags", [(), (True, True)])
def test_a_demonstration_recast_as_a_rearrangement_shows_how_it_ended(episodes, flags):
    """The thing that is moved is told to lie where its action places it; whoever returns is not recast."""
    recast = 0
    for episode in episodes:
        for step in range(episode.length):
            other = as_rearrangement(episode, step, CAMERAS, VIMA)
            if other is None:
                continue
            assert episode.task != "rearrange_then_restore" or step > 0
            recast += 1
            now = moment(episode, step, CAMERAS, flags, recast=other)
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
            way = as_motion(episode, step, CAMERAS, VIMA)
            if way is None:
                continue
            assert episode.task != "rearrange"
            now = moment(episode, step, CAMERAS, recast=way)
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
        now = moment(episode, episode.length - 1, CAMERAS, flags, goal=goal)
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
