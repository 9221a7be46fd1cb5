"""Which patch belongs to which object: against a brute-force count of pixels."""

import dataclasses

import numpy as np
import pytest
import torch

from policies.embodiments.vima import VIMA
from pretrain.dense_heads import DenseHeads, Watch, look
from pretrain.patch_labels import NOTHING, Labels, image_labels
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.batch import Batch
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

GRID = (8, 16)


def _brute_force(boxes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Count the pixels of a 128x256 picture that each box covers in each patch."""
    owners = []
    for position in positions:
        row, column = divmod(int(position), GRID[1])
        counts = []
        for y0, x0, y1, x1 in boxes * (128, 256, 128, 256):
            canvas = np.zeros((128, 256), bool)
            canvas[round(y0) : round(y1), round(x0) : round(x1)] = True
            counts.append(canvas[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16].sum())
        owners.append(int(np.argmax(counts)) if max(counts) else -1)
    return np.array(owners)


def test_patches_belong_to_the_box_that_covers_most():
    rng = np.random.default_rng(0)
    for _ in range(20):
        # Boxes in separate thirds of the picture, so that no patch is shared.
        boxes = []
        for third in range(3):
            y0, x0 = rng.integers(0, 90), third * 80 + rng.integers(0, 20)
            boxes.append([y0, x0, y0 + rng.integers(17, 38), x0 + rng.integers(17, 40)])
        boxes = np.array(boxes) / (128, 256, 128, 256)
        positions = rng.permutation(128)[:60]
        np.testing.assert_array_equal(image_labels(boxes, positions, GRID), _brute_force(boxes, positions))


def test_what_lies_in_a_bowl_is_seen_in_it():
    """Four patches of a bowl, and a thing over the corner where they meet: they are the thing's, the bowl's
    others its own; the thing beside it owns what it covers most.
    """
    patch = np.array([1 / 8, 1 / 16])
    bowl, thing = [*patch, *(5 * patch)], [*(2.4 * patch), *(3.6 * patch)]
    beside = [3.2 / 8, 5 / 16, 4 / 8, 6 / 16]
    owner = image_labels(np.array([bowl, thing, beside]), np.arange(128), GRID).reshape(GRID)
    expected = np.full(GRID, -1)
    expected[1:5, 1:5], expected[2:4, 2:4], expected[3, 5] = 0, 1, 2
    np.testing.assert_array_equal(owner, expected)


def test_unseen_objects_own_nothing():
    boxes = np.array([[np.nan] * 4, [0.0, 0.0, 0.5, 0.5]])
    assert image_labels(boxes, np.array([0, 127]), GRID).tolist() == [1, -1]


def test_centres_are_the_action_codecs_bins():
    corners = [{"position": [0.25, -0.5, 0.1]}, {"position": [0.75, 0.5, 0]}, {"position": [0.5, 0.0, 0]}]
    assert VIMA.object_bins(corners).tolist() == [[0, 0], [999, 999], [499, 499]]


def _one_picture() -> tuple[UnifiedIO2, Batch, Labels]:
    """A model, two things in a picture and its history, and what their patches show."""
    torch.manual_seed(0)
    config = UnifiedIO2Config.preset("nano")
    model = UnifiedIO2(config)
    model.processor = Processor(config, TextTokenizer.packaged())
    rng = np.random.default_rng(1)
    image = np.full((224, 256, 3), 47, np.uint8)
    image[20:50, 30:70] = rng.integers(0, 255, 3)
    image[70:110, 150:210] = rng.integers(0, 255, 3)
    batch = model.processor([Request("objects", image=image, image_history=(image[:64, :64],))])
    boxes = np.array([[20 / 224, 30 / 256, 50 / 224, 70 / 256], [70 / 224, 150 / 256, 110 / 224, 210 / 256]])
    owner = image_labels(boxes, batch.image.positions[0].numpy(), config.image_grid)
    ids = torch.from_numpy(np.where(owner >= 0, owner, NOTHING))[None]
    centre = torch.tensor([[[200, 300], [800, 700]]])[:, owner]
    shown = torch.zeros(batch.image_history.mask.shape, dtype=torch.long)
    nothing = torch.full_like(ids, NOTHING)
    labels = Labels(
        name=ids,
        texture=ids,
        centre=centre,
        posture=nothing[..., None].expand(-1, -1, 3),
        role=nothing,
        move=nothing[..., None].expand(-1, -1, 4),
        contrast=nothing,
        asked=torch.tensor([NOTHING]),
        elsewhere=nothing[..., None, None].expand(-1, -1, 2, 2),
        history_name=shown,
        history_texture=torch.full_like(shown, NOTHING),
        history_centre=torch.full((*shown.shape, 2), NOTHING),
        history_posture=torch.full((*shown.shape, 3), NOTHING),
        drawn=nothing,
        ending=nothing,
        source=nothing[..., None].expand(-1, -1, 2),
        turn=torch.full((*shown.shape[:2], 2), NOTHING),
    )
    return model, batch, labels


def test_what_no_patch_tells_has_no_loss():
    """Rather than one of 0, which a curve would show as learned."""
    model, batch, labels = _one_picture()
    watch, eye = Watch(model), DenseHeads(model, ["a", "b"], ["a", "b"], sigma=8.0)

    def told(**changed):
        look(model, batch)
        return set(eye(model, watch.take(batch), dataclasses.replace(labels, **changed)))

    nowhere, nothing = torch.full_like(labels.centre, NOTHING), torch.full_like(labels.name, NOTHING)
    of_history = torch.full_like(labels.history_name, NOTHING)
    assert told() == {"name", "texture", "centre"}
    assert told(texture=nothing) == {"name", "centre"}
    standing = torch.full_like(labels.posture, NOTHING).index_fill(-1, torch.tensor(2), 300)  # height alone
    assert told(posture=standing) == {"name", "texture", "centre", "posture"}
    assert told(name=nothing, texture=nothing, centre=nowhere) == {"name"}  # that of the history
    assert told(name=nothing, texture=nothing, centre=nowhere, history_name=of_history) == set()
    encoded = model.encode(batch)
    assert eye.encoded_losses(model, encoded, batch, labels) == {}
    of_role = dataclasses.replace(labels, role=labels.name)
    assert set(eye.encoded_losses(model, encoded, batch, of_role)) == {"role"}
    of_contrast = dataclasses.replace(labels, contrast=labels.name, asked=torch.tensor([3]))
    assert set(eye.encoded_losses(model, encoded, batch, of_contrast)) == {"contrast", "asked"}
    of_move = dataclasses.replace(labels, move=torch.full_like(labels.move, 500))
    assert set(eye.encoded_losses(model, encoded, batch, of_move)) == {"move"}
    of_turn = dataclasses.replace(labels, turn=torch.full_like(labels.turn, 500))
    assert set(eye.encoded_losses(model, encoded, batch, of_turn)) == {"turn"}
    of_end = dataclasses.replace(labels, ending=labels.name)
    assert set(eye.encoded_losses(model, encoded, batch, of_end)) == {"ending"}
    of_source = dataclasses.replace(labels, source=torch.full_like(labels.source, 500))
    assert set(eye.encoded_losses(model, encoded, batch, of_source)) == {"source"}


@pytest.mark.parametrize("packs", [False, True])
def test_patches_are_asked_for_what_is_drawn_in_their_places(packs):
    """A row of its own or shared: the mean over the tokens that count of what each patch scores by itself."""
    torch.manual_seed(0)
    model = UnifiedIO2(UnifiedIO2Config.preset("nano_goal"))
    model.processor = Processor(model.config, TextTokenizer.packaged())
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 255, (height, 256, 3), np.uint8) for height in (224, 150)]
    batch = model.processor(
        [Request("draw " * (row + 1), image=image) for row, image in enumerate(images)],
        [Target(image=image) for image in images],
    )
    places = torch.from_numpy(rng.permuted(np.arange(224) % 128 - 20, axis=0)).expand(2, -1).clone()
    places[places < 0] = NOTHING
    *_, labels = _one_picture()
    labels = dataclasses.replace(labels, drawn=places)
    eye = DenseHeads(model, ["a"], ["a"], sigma=8.0)
    encoded = model.encode(batch, [[0, 1]] if packs else None)
    codes = model.token_targets(batch)["image"].targets
    found = eye.drawn_loss(model, encoded, batch, labels, codes)
    alone = []
    for row in range(2):
        mine = model.processor([Request("draw " * (row + 1), image=images[row])], target="image")
        hidden = model.encode(mine).spread()[0, mine.text.tokens.shape[1] :]
        for patch, place in enumerate(places[row].tolist()):
            if place >= 0 and batch.image.mask[row, patch] and batch.image_target.loss_mask[row, place]:
                scores = eye.drawn(hidden[patch]) @ model.image_table.weight.T * model.config.width**-0.5
                alone.append(-scores.log_softmax(-1)[codes[row, place]])
    assert 100 < len(alone) < 2 * 224
    torch.testing.assert_close(found, torch.stack(alone).mean(), rtol=1e-4, atol=1e-5)


def test_dense_losses_reach_the_encoder_and_fall():
    """A few steps on one picture teach the encoder its labels: all three losses fall below half."""
    model, batch, labels = _one_picture()
    watch, eye = Watch(model), DenseHeads(model, ["a", "b"], ["a", "b"], sigma=8.0)
    optimizer = torch.optim.AdamW([*model.image_encoder.parameters(), *eye.parameters()], lr=1e-3)
    history = []
    for _ in range(30):
        look(model, batch)
        losses = eye(model, watch.take(batch), labels)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: value.item() for name, value in losses.items()})
    assert all(history[-1][name] < 0.5 * history[0][name] for name in ("name", "texture"))
    assert history[-1]["centre"] < history[0]["centre"] - 1.5
