"""Ways to follow on a table that is all but empty: what is left out is gone from every picture, what is kept
is as it was.
"""

from pathlib import Path

import numpy as np
import pytest

from policies.embodiments.vima import VIMA
from pretrain.examples import plan_example
from pretrain.moments import moment
from pretrain.recasting import as_motion
from pretrain.sources import LeRobotSource, StoredEpisode
from rollouts.collect import CollectConfig, collect


@pytest.fixture(scope="module")
def episodes(tmp_path_factory, rendering) -> list[StoredEpisode]:
    output = tmp_path_factory.mktemp("clearing") / "set"
    tasks = ("pick_in_order_then_restore", "visual_manipulation", "rotate")
    collect(CollectConfig(output=str(output), tasks=tasks, level="train", episodes=9, success_only=True))
    source = LeRobotSource(Path(output))
    return [source[index] for index in range(len(source))]


def _outside(things, shape) -> np.ndarray:
    """Where none of the things is, bool (H, W)."""
    outside = np.ones(shape, bool)
    for thing in things:
        if box := thing["boxes"]["top"]:
            outside[box[0] : box[2] + 1, box[1] : box[3] + 1] = False
    return outside


def _ways(episodes, seed):
    rng = np.random.default_rng(seed)
    for episode in episodes:
        for step in range(episode.length):
            if (way := as_motion(episode, step, VIMA.cameras, VIMA, rng)) is not None:
                yield episode, step, way


def test_what_is_left_out_is_gone_and_the_rest_as_it_was(episodes):
    """Seen and in pictures alike: outside of what is kept there is the table alone."""
    cleared = kept_one = 0
    for episode, step, way in _ways(episodes, 0):
        now = moment(episode, step, ["top"], recast=way)
        shown = [(now.views["top"], now.objects, episode.frames["top"][step])]
        shown.append((now.first_views["top"], now.first_objects, episode.frames["top"][way.first]))
        for at in range(way.first, way.end + 1):
            asset = way.assets[f"frame_{at - way.first}"]
            stored = episode.frames["top"][at] if at < episode.length else episode.final["top"]
            shown.append((np.moveaxis(asset["rgb"]["top"], 0, -1), asset["objects"], stored))
        for picture, things, stored in shown:
            outside = _outside(things, picture.shape[:2])
            assert (picture[~outside] == stored[~outside]).all()
            if len(things) == len(episode.objects[0]):
                assert (picture == stored).all()
                continue
            rows, columns = VIMA.region("top", *outside.shape)
            mat = picture[rows, columns][outside[rows, columns]]
            assert (mat == mat[0]).all(), (episode.task, episode.seed, step)
            assert len(things) <= 2
            cleared += 1
            kept_one += len(things) == 2
    assert cleared > 20
    assert 0 < kept_one < cleared


def test_a_way_keeps_the_thing_and_its_actions(episodes):
    """What the action picks is in sight, on a full table and on an empty one; the answer begins the same."""
    alone, style = 0, VIMA.style(small=True)
    for episode, step, way in _ways(episodes, 1):
        full = as_motion(episode, step, VIMA.cameras, VIMA)
        assert full.first <= way.first <= step < way.end <= full.end
        short, long = (
            plan_example(moment(episode, step, VIMA.cameras, recast=w), VIMA, style) for w in (way, full)
        )
        answers = [VIMA.parse(example.target)[: way.end - step] for example in (short, long)]
        assert len(VIMA.parse(short.target)) == len(answers[1])
        for one, other in zip(*answers, strict=True):
            assert all((one.action[part] == other.action[part]).all() for part in one.action)
        assert 1 in VIMA.roles(short.moment)
        alone += bool(way.left_out)
    assert alone > 5


def test_parts_of_a_way_have_any_number_of_stops(episodes):
    """From three moves of one thing come ways of one, two and three."""
    lengths = {
        way.end - way.first
        for seed in range(6)
        for episode, _, way in _ways(episodes, seed)
        if episode.task == "pick_in_order_then_restore"
    }
    assert lengths == {1, 2, 3}


def test_what_is_turned_where_it_lies_goes_no_way(episodes):
    """Its pictures would ask for a turn, and the words for a move."""
    assert {episode.task for episode, *_ in _ways(episodes, 2)} == {
        "pick_in_order_then_restore",
        "visual_manipulation",
    }
