"""Rows of unlike length: each equals itself alone, costs what it holds and has its own gradients."""

import contextlib
import itertools

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import full_model, full_requests, picture, sound
from uio2_agent.network.length_groups import LIKE, length_groups, take, valid_first
from uio2_agent.request import Request, Target

INPUTS = ("image", "image_history", "audio", "audio_history")


def every_subset() -> list[Request]:
    """Return a request for each subset of the inputs, of texts, pictures and histories of unlike size, none
    of them twice.
    """
    found = []
    for number, held in enumerate(itertools.product([False, True], repeat=4)):
        parts = {
            "image": picture(number, 20 + 5 * number, 50),
            "image_history": tuple(
                picture(50 + 3 * number + i, 40, 30 + 10 * i) for i in range(1 + number % 3)
            ),
            "audio": sound(number),
            "audio_history": tuple(sound(70 + 2 * number + i) for i in range(1 + number % 2)),
        }
        chosen = {name: parts[name] for name, on in zip(INPUTS, held, strict=True) if on}
        found.append(Request("red block " * (number % 5) + "go", **chosen))
    return found


@contextlib.contextmanager
def tokens_run(model):
    """Count positions that go through the first block of each tower, of the resamplers, of the encoder."""
    counts = dict.fromkeys(("image", "audio", "frames", "sounds", "encoder"), 0)

    def count(name, axes):
        def hook(module, arguments):
            counts[name] += int(np.prod(arguments[0].shape[:axes]))

        return hook

    places = [
        (model.image_encoder.blocks[0], "image", 2),
        (model.audio_encoder.blocks[0], "audio", 2),
        (model.inputs["image_history"].resampler.layers[0], "frames", 1),
        (model.inputs["audio_history"].resampler.layers[0], "sounds", 1),
        (model.encoder.layers[0], "encoder", 2),
    ]
    handles = [module.register_forward_pre_hook(count(name, axes)) for module, name, axes in places]
    yield counts
    for handle in handles:
        handle.remove()


def rows_of(encoded):
    return [hidden[mask] for hidden, mask in zip(encoded.hidden, encoded.mask, strict=True)]


@pytest.mark.parametrize("seed", range(30))
def test_groups_hold_every_row_once_with_its_like(seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 40, random.integers(1, 30)).tolist()
    groups = list(length_groups(lengths))
    assert sorted(row for rows, _ in groups for row in rows) == [i for i, n in enumerate(lengths) if n]
    for rows, longest in groups:
        assert max(lengths[row] for row in rows) == longest
        assert min(lengths[row] for row in rows) >= LIKE * longest
    bounds = [longest for _, longest in groups]
    assert all(after < LIKE * before for before, after in itertools.pairwise(bounds)), "as few as possible"


@pytest.mark.parametrize("seed", range(10))
def test_what_is_valid_comes_first_in_its_order(seed):
    random = np.random.default_rng(seed)
    mask, values = random.random((4, 9)) < 0.5, random.normal(size=(4, 9, 2))
    length = max(1, mask.sum(1).max())
    first = take(torch.from_numpy(values), valid_first(torch.from_numpy(mask), int(length)))
    assert first.shape == (4, length, 2)
    for row in range(4):
        count = mask[row].sum()
        assert np.array_equal(first[row, :count].numpy(), values[row][mask[row]])


@pytest.mark.parametrize("drop_background", [False, True])
@pytest.mark.parametrize("fixed_shape", [False, True])
@torch.inference_mode()
def test_mixed_rows_are_encoded_as_each_alone(drop_background, fixed_shape):
    model = full_model(drop_background=drop_background)
    asked = every_subset()
    together = model.encode(model.processor(asked, fixed_shape=fixed_shape))
    lengths = together.mask.sum(1)
    assert together.hidden.shape[1] == lengths.max(), "no position that no row needs"
    assert lengths.min() * 4 < lengths.max(), "unlike enough to prove something"
    for row, request in enumerate(asked):
        alone = model.encode(model.processor([request]))
        assert bool(alone.mask.all())
        assert (rows_of(together)[row] - alone.hidden[0]).abs().max() < 1e-5
        for ours, its in zip(together.rotary, alone.rotary, strict=True):
            assert torch.equal(ours[row, 0, : lengths[row]], its[0, 0])


@torch.inference_mode()
def test_the_order_of_rows_changes_nothing():
    model, asked = full_model(), every_subset()
    ahead = rows_of(model.encode(model.processor(asked)))
    back = rows_of(model.encode(model.processor(asked[::-1])))[::-1]
    for ours, its in zip(ahead, back, strict=True):
        assert (ours - its).abs().max() < 1e-5


@torch.inference_mode()
def test_spread_puts_hidden_states_back_where_their_tokens_stood():
    model = full_model()
    batch = model.processor(full_requests())
    encoded = model.encode(batch)
    wide, stood = encoded.spread(), model.embed(batch).mask
    assert wide.shape[:2] == stood.shape
    assert (wide[~stood] == 0).all()
    for row, hidden in enumerate(rows_of(encoded)):
        assert torch.equal(wide[row][stood[row]], hidden)


@pytest.mark.parametrize("fixed_shape", [False, True])
@torch.inference_mode()
def test_a_batch_costs_what_its_requests_hold(fixed_shape):
    model, asked = full_model(drop_background=True), every_subset()
    held = dict.fromkeys(("image", "audio", "frames", "sounds", "encoder"), 0)
    for request in asked:
        with tokens_run(model) as alone:
            model.encode(model.processor([request]))
        for name, count in alone.items():
            held[name] += count
        assert (alone["image"] == 0) == (request.image is None and not request.image_history)
        assert (alone["audio"] == 0) == (request.audio is None and not request.audio_history)
        assert alone["frames"] == len(request.image_history)
        assert alone["sounds"] == len(request.audio_history)
    with tokens_run(model) as together:
        model.encode(model.processor(asked, fixed_shape=fixed_shape))
    assert together["frames"] == held["frames"] and together["sounds"] == held["sounds"]
    for name in ("image", "audio", "encoder"):
        assert held[name] <= together[name] <= held[name] / LIKE


@torch.inference_mode()
def test_what_is_absent_is_never_run():
    model = full_model(drop_background=False, image_tokens=32)
    calls = []
    for tower in (model.image_encoder, model.audio_encoder):
        tower.register_forward_pre_hook(lambda *_: calls.append(1))
    words = [Request("one"), Request("one two three")]
    with tokens_run(model) as counts:
        lengths = model.encode(model.processor(words)).mask.sum()
    assert not calls and counts == dict(image=0, audio=0, frames=0, sounds=0, encoder=lengths)
    with tokens_run(model) as counts:  # absent parts have places here, but nothing runs for them
        model.encode(model.processor(words, fixed_shape=True))
    assert counts == dict(image=0, audio=0, frames=0, sounds=0, encoder=lengths)
    for size, patches in (((40, 80), 32), ((40, 40), 16), ((40, 20), 8)):  # whole, half, a quarter of 4 x 8
        with tokens_run(model) as counts:
            encoded = model.encode(model.processor([Request("go", picture(0, *size))]))
        assert counts["image"] == patches + 1  # the class token
        assert counts["encoder"] == encoded.mask.sum() == encoded.mask.numel()
    frames = [Request("a", image_history=(picture(1),) * 4), Request("b", image_history=(picture(2),))]
    with tokens_run(model) as counts:
        model.encode(model.processor(frames))
    assert counts["frames"] == 2  # each picture once


def test_gradients_are_the_sum_of_those_of_each_row_alone():
    model = full_model(freeze_vit=False).double()
    asked, answers = every_subset()[::3], [Target(text="red " * (1 + n)) for n in range(6)]

    def gradients(requests, targets):
        """Return the gradient of the summed, not averaged, loss."""
        model.zero_grad()
        batch = model.processor(requests, targets)
        (model(batch).loss * batch.text_target.mask.sum()).backward()
        return {n: v.grad.clone() for n, v in model.named_parameters() if v.grad is not None}

    together, summed = gradients(asked, answers), {}
    for request, answer in zip(asked, answers, strict=True):
        for name, gradient in gradients([request], [answer]).items():
            summed[name] = summed.get(name, 0) + gradient
    assert set(together) == set(summed)
    assert any(name.startswith("image_encoder") for name in together)
    for name, gradient in together.items():
        assert torch.allclose(gradient, summed[name], rtol=1e-4, atol=1e-6), name  # norms are float32
