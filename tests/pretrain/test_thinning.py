"""Pictures to be drawn of which only a part of the plain tokens is learned."""

import numpy as np
import pytest
import torch

from policies.embodiments.vima import VIMA
from pretrain.episode_batches import TrainingBatches
from pretrain.examples import ExampleOptions, goal_view_example, pictures_before
from pretrain.initialization import start_model
from pretrain.sources import LeRobotSource
from pretrain.thinning import thinned
from rollouts.collect import CollectConfig, collect

STYLE = VIMA.style(small=True).fitted(VIMA.cameras)


@pytest.fixture(scope="module")
def goals(tmp_path_factory, rendering):
    """Target pictures of six episodes, and what lies in them at the end."""
    output = tmp_path_factory.mktemp("thinning") / "set"
    collect(CollectConfig(output=str(output), tasks=("rotate",), level="train", episodes=6), progress=False)
    source = LeRobotSource(output)
    records = list(source)
    examples = [goal_view_example(record, VIMA, STYLE) for record in records]
    model, _ = start_model("nano_goal")
    batch = model.processor([each.request for each in examples], [each.target for each in examples])
    before = pictures_before(examples, model.config)
    return batch.image_target, before, source, model.processor


def test_what_shows_things_is_always_learned(goals):
    """A token is 16 pixels of the mat; where a thing's middle lies there is more than one colour."""
    target, before, records, _ = goals
    left = thinned(target, before, 0.0, 1.0, np.random.default_rng(0)).loss_mask.view(-1, 8, 16)
    assert (left.float().mean((1, 2)) < 0.4).all()
    for picture, record in zip(left, records, strict=True):
        for thing in record.final_objects:
            top, first, bottom, last = thing["boxes"]["top"]
            row, column = ((top + bottom) / 2 - 2) / 124 * 8, ((first + last) / 2 - 4) / 248 * 16
            assert picture[int(row), int(column)], (record.seed, thing["name"])


def test_of_plain_tokens_a_share_is_learned(goals):
    target, before, *_ = goals
    nothing = thinned(target, before, 0.0, 1.0, np.random.default_rng(0)).loss_mask
    some = thinned(target, before, 0.25, 1.0, np.random.default_rng(0)).loss_mask
    assert (some | nothing == some).all()
    plain = (target.loss_mask & ~nothing).sum()
    assert 0.15 < (some & ~nothing).sum() / plain < 0.35
    assert torch.equal(
        thinned(target, before, 1.0, 1.0, np.random.default_rng(0)).loss_mask, target.loss_mask
    )
    assert torch.equal(thinned(target, before, 0.25, 1.0, np.random.default_rng(0)).loss_mask, some)


def test_of_what_stays_a_share_is_learned_and_of_what_moved_all(goals):
    """With neither plain table nor what stays, the tokens left lie where things turned, and there some do."""
    target, before, records, _ = goals
    moved = thinned(target, before, 0.0, 0.0, np.random.default_rng(0)).loss_mask.view(-1, 8, 16)
    shown = thinned(target, before, 0.0, 1.0, np.random.default_rng(0)).loss_mask.view(-1, 8, 16)
    half = thinned(target, before, 0.0, 0.5, np.random.default_rng(0)).loss_mask.view(-1, 8, 16)
    still = (shown & ~moved).sum()
    assert (half | moved == half).all() and 0.3 < (half & ~moved).sum() / still < 0.7
    for picture, record in zip(moved, records, strict=True):
        near = np.zeros((8, 16), bool)
        for first, last in zip(record.objects[0], record.final_objects, strict=True):
            if np.allclose(first["quaternion"], last["quaternion"], atol=1e-3):
                continue
            for thing in (first, last):
                top, left, bottom, right = thing["boxes"]["top"]
                rows = slice(int((top - 2) / 124 * 8), int((bottom - 2) / 124 * 8) + 1)
                near[rows, int((left - 4) / 248 * 16) : int((right - 4) / 248 * 16) + 1] = True
        assert picture.any() and not (picture.numpy() & ~near).any(), record.seed


def test_batches_of_a_run_are_thinned_as_it_asks(goals):
    """All tokens are learned by default."""
    *_, source, processor = goals
    learned = []
    asked = {}, {"plain_share": 0.0}, {"plain_share": 0.0, "still_share": 0.0}
    for options in (ExampleOptions(goal_share=1.0, **shares) for shares in asked):
        parts = source, range(6), processor, {"vima": STYLE}, options, 6, ["block"], ["red"]
        learned.append(TrainingBatches(*parts)[0][0].image_target.loss_mask.float().mean())
    assert learned[0] == 1
    assert 0 < learned[2] < learned[1] < 0.4
