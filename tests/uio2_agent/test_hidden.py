"""Patches left out of the input, and what the decoder may then know of the tokens they show.

The leak test changes the code of one hidden target token: with dynamic masking only the logits of the token
right after it may move. The same test must fail without dynamic masking.
"""

import dataclasses

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import full_config, full_model, picture, sound
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.inputs.hidden import Hidden
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer

IMAGE_GRID, IMAGE_TOKENS = (4, 8), (8, 6)
AUDIO_GRID, AUDIO_TOKENS = (4, 2), (6, 4)


def processor(**changes) -> Processor:
    return Processor(full_config(drop_background=False, image_tokens=32, **changes), TextTokenizer.packaged())


def square(seed: int) -> np.ndarray:
    """A picture of the input's shape, so that no patch is padding."""
    return np.random.default_rng(seed).integers(0, 256, (32, 64, 3), np.uint8)


def masks(seed: int, grid: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(seed).random(grid) < 0.6


def requests() -> list[Request]:
    """One request of every modality, and one of a picture."""
    return [
        Request("both", square(0), (square(1),), sound(0), (sound(1), sound(2))),
        Request("a picture", square(3)),
    ]


def test_hidden_patches_are_left_out():
    hidden = Hidden(
        masks(0, IMAGE_GRID),
        (masks(1, (2, 4)),),
        masks(2, AUDIO_GRID),
        (None, masks(3, AUDIO_GRID)),
    )
    process = processor()
    whole = process(requests(), ["x", "y"])
    part = process(requests(), ["x", "y"], hidden=[hidden, Hidden()])
    for name, expected in (
        ("image", [hidden.image, None]),
        ("image_history", [*hidden.image_history, None]),
        ("audio", [hidden.audio, None]),
        ("audio_history", [*hidden.audio_history, None, None]),
    ):
        pieces = zip(expected, shown(getattr(whole, name)), shown(getattr(part, name)), strict=True)
        for mask, (places, values), (left, left_values) in pieces:
            kept = np.ones(len(places), bool) if mask is None else ~mask.reshape(-1)[places]
            assert left.tolist() == places[kept].tolist()
            assert torch.equal(left_values, values[kept])


def shown(patches) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return positions and values of the patches of every piece, those of frames after each other."""
    parts = (patches.positions, patches.values, patches.mask)
    flat = zip(*(part.flatten(0, 1) if patches.mask.ndim == 3 else part for part in parts), strict=True)
    return [(positions[mask], values[mask]) for positions, values, mask in flat]


@pytest.mark.parametrize("only_hidden", [False, True])
def test_task_masks_are_those_of_the_nearest_patch(only_hidden):
    image, audio = masks(4, IMAGE_GRID), masks(5, AUDIO_GRID)
    batch = processor()(
        [*requests(), Request("a sound", audio=sound(3))],
        [Target(image=square(0)), Target(image=square(9)), Target(audio=sound(3, (24, 16)))],
        paradigms=["R", "S", "R"],
        hidden=[Hidden(image, audio=audio), Hidden(masks(6, IMAGE_GRID)), Hidden(audio=audio)],
        hidden_loss_only=only_hidden,
    )
    for target, mask, grid, row in (
        (batch.image_target, image, IMAGE_TOKENS, 0),
        (batch.audio_target, audio, AUDIO_TOKENS, 2),
    ):
        found = target.task_mask.reshape(-1, *grid)
        for r in range(grid[0]):
            for c in range(grid[1]):
                patch = [int((i + 0.5) / n * m) for i, n, m in zip((r, c), grid, mask.shape, strict=True)]
                assert found[row, r, c] == mask[*patch]
        others = [i for i in range(3) if i != row]
        assert not target.task_mask[others].any(), "asked under S, or of another modality"
        assert torch.equal(target.loss_mask[others], target.mask[others])
        expected = target.mask[row] & target.task_mask[row] if only_hidden else target.mask[row]
        assert torch.equal(target.loss_mask[row], expected) and expected.any()
    assert not processor()(requests()[1:], [Target(image=square(0))]).image_target.task_mask


def test_a_mask_of_tokens_hides_every_patch_that_shows_any_of_them():
    hidden = np.zeros(48, bool)
    hidden[[0, 20]] = True
    batch = processor()(requests()[1:], [Target(image=square(3))], paradigms=["R"], hidden=[Hidden(hidden)])
    assert batch.image_target.task_mask[0].tolist() == hidden.tolist()
    left = set(batch.image.positions[0][batch.image.mask[0]].tolist())
    for patch in range(32):
        top, start = (patch // 8) * 8, (patch % 8) * 8  # pixels of 32 x 64
        touched = [
            token
            for token in np.flatnonzero(hidden)
            if top < (token // 6 + 1) * 32 / 8 and token // 6 * 32 / 8 < top + 8
            and start < (token % 6 + 1) * 64 / 6 and token % 6 * 64 / 6 < start + 8
        ]  # fmt: skip
        assert (patch in left) == (not touched)


@pytest.mark.parametrize(("share", "count"), [(0.5, 16), (0.875, 28), (1.0, 32), (1e-3, 1)])
def test_patches_are_drawn_up_to_a_share_of_the_grid(share, count):
    process = processor()
    batch = process(requests(), patch_share=share, generator=np.random.default_rng(0))
    assert batch.image.mask.sum(1).tolist() == [count, count]
    assert batch.image_history.mask.sum(-1).max() == max(1, int(8 * share))
    assert batch.audio.mask.sum(-1).max() == max(1, int(8 * share))
    again = process(requests(), patch_share=share, generator=np.random.default_rng(1))
    assert share == 1.0 or not torch.equal(batch.image.positions, again.image.positions)
    one_each = process(
        requests(), patch_share=share, generator=[np.random.default_rng(seed) for seed in (5, 0)]
    )
    alone = process(requests()[1:], patch_share=share, generator=np.random.default_rng(0))
    assert torch.equal(one_each.image.positions[1], alone.image.positions[0])
    fixed = process(requests(), patch_share=share, fixed_shape=True)
    assert fixed.image.values.shape[1] == count


def test_text_of_token_ids_is_taken_as_it_is():
    process = processor()
    vocabulary = process.tokenizer.vocabulary
    ids = np.array([300, vocabulary.extra_id(0), 7, vocabulary.image_input])
    batch = process(
        [Request(ids, square(0))], [Target(text=np.array([vocabulary.extra_id(0), 9]))], paradigms=["X"]
    )
    assert batch.text.tokens[0].tolist() == [vocabulary.prefix("text", "X"), *ids, 1]
    assert batch.text_target.targets[0].tolist() == [vocabulary.extra_id(0), 9, 1]
    text = "Put the <image_history_1> into it"
    ids = np.array(process.tokenizer.encode(text))
    written, numbered = (
        process([Request(given, image_history=(square(0),))]).text.tokens for given in (text, ids)
    )
    assert torch.equal(written, numbered)


def test_several_answers_see_nothing_of_each_other():
    """Each answer has the logits that it has alone."""
    model = full_model()
    answers = ("a red block", np.array([300, 301]), "yes")
    request = Request("What is it?", picture(0))
    with torch.inference_mode():
        together = model(model.processor([request, request], [Target(text=answers), Target(text="no")]))
        alone = [
            model(model.processor([request], [Target(text=answer)])).logits["text"] for answer in answers
        ]
    lengths = [logits.shape[1] for logits in alone]
    found = together.logits["text"][0, : sum(lengths)].split(lengths)
    for one, other in zip(found, alone, strict=True):
        torch.testing.assert_close(one, other[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"paradigms": ["S"]}, "2 requests but 1 paradigms: hand in one per request"),
        ({"hidden": [Hidden()]}, "2 requests but 1 masks of hidden patches"),
        ({"hidden": [Hidden(), Hidden(audio=masks(0, AUDIO_GRID))]}, "1 masks .* for 0 inputs of audio"),
        ({"hidden": [Hidden(masks(0, (2, 2))), Hidden()]}, r"must be bool \[4, 8\]; it is bool \[2, 2\]"),
        ({"hidden": [Hidden(np.zeros(7, bool)), Hidden()]}, r"must be bool \[48\]"),
        ({"hidden": [Hidden(np.zeros((4, 8))), Hidden()]}, "it is float64"),
        ({"paradigms": ["R", "R"], "targets": [Target(image=square(0))] * 2}, "none of its input is hidden"),
        ({"patch_share": 0}, "patch_share=0 is not possible"),
        ({"targets": [Target(text=np.array([0])), "x"]}, "ids that are no tokens: they are 1.."),
        ({"targets": [Target(text=np.zeros(3)), "x"]}, r"hand in a str, or token ids int \[T\]"),
    ],
)
def test_what_cannot_be_hidden_is_refused(changes, match):
    with pytest.raises(RequestError, match=match):
        processor()(requests(), **({"targets": ["x", "y"]} | changes))


def test_paradigms_are_those_of_the_vocabulary():
    with pytest.raises(UIO2Error, match="no prefix for 'image' 'X'"):
        processor()(requests()[1:], [Target(image=square(0))], paradigms=["X"])
    with pytest.raises(UIO2Error, match="align_hidden_inputs"):
        full_config(align_hidden_inputs=True)


# the leak test

LEAKS = {
    "image": (Target(image=square(0)), Hidden(image=masks(7, IMAGE_GRID))),
    "audio": (Target(audio=sound(0, (24, 16))), Hidden(audio=masks(8, AUDIO_GRID))),
}


def moved(modality: str, packed: bool = False, **switches: bool) -> dict[int, list[int]]:
    """Return for some hidden tokens at which places logits move, by any bit, when their code is another one.

    The request holds every modality, and that part of the target's own picture or sound that is not hidden.
    Another request of the batch asks for text; with `packed` the two share a row.
    """
    target, hidden = LEAKS[modality]
    model = full_model(drop_background=False, image_tokens=32, **switches)
    batch = model.processor(
        requests(), [target, Target(text="a picture")], paradigms=["R", "S"], hidden=[hidden, Hidden()]
    )
    rows = [[0, 1]] if packed else None
    embedder = model.targets[modality]
    found = {}
    with torch.inference_mode():
        codes = embedder.codes(getattr(batch, f"{modality}_target").values)
        before = model(batch, rows=rows).logits[modality]
        places = getattr(batch, f"{modality}_target").task_mask[0].nonzero().flatten()
        for place in [*places[:-1:4].tolist(), int(places[-1])]:
            changed = codes.clone()
            changed[0, place] = (codes[0, place] + 7) % embedder.tokenizer.config.codes
            embedder.codes = lambda values, changed=changed: changed
            apart = (model(batch, rows=rows).logits[modality] - before)[0].abs().amax(-1)
            found[place] = apart.nonzero().flatten().tolist()
    return found


def next_places(places: dict[int, list[int]], modality: str) -> dict[int, list[int]]:
    length = {"image": 48, "audio": 24}[modality]
    return {place: [place + 1] if place + 1 < length else [] for place in places}


@pytest.mark.parametrize(("sparse", "packed"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("modality", LEAKS)
def test_a_hidden_token_moves_only_what_predicts_the_next(modality, sparse, packed):
    found = moved(modality, packed, dynamic_masking=True, sparse_patterns=sparse)
    assert len(found) > 3 and found == next_places(found, modality)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("modality", LEAKS)
def test_without_dynamic_masking_the_test_finds_the_leak(modality, packed):
    found = moved(modality, packed, dynamic_masking=False)
    leaks = [place for place, places in found.items() if places != next_places(found, modality)[place]]
    assert len(leaks) > len(found) - 2, "all but the last hidden token are seen by more than the next"


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("modality", LEAKS)
def test_a_hidden_token_that_is_read_as_the_mask_token_moves_nothing(modality, aligned):
    found = moved(modality, dynamic_masking=True, mask_hidden_inputs=True, align_hidden_inputs=aligned)
    assert len(found) > 3 and not any(found.values())


@pytest.mark.parametrize("modality", LEAKS)
def test_the_encoder_reads_nothing_of_what_is_hidden(modality):
    """Whatever stands under hidden patches, the encoder's input is the same to the bit."""
    _, hidden = LEAKS[modality]
    request = requests()[0]
    values = getattr(request, modality)
    patch = 8 if modality == "image" else 4
    under = np.kron(getattr(hidden, modality), np.ones((patch, patch), bool))
    other = values.copy()
    other[under] = values[under] // 3 + 1 if modality == "image" else values[under] * 3
    process = processor()
    first, second = (
        process([dataclasses.replace(request, **{modality: given})], hidden=[hidden])
        for given in (values, other)
    )
    for field in ("values", "positions", "mask"):
        assert torch.equal(
            getattr(getattr(first, modality), field), getattr(getattr(second, modality), field)
        )
    seen = process([dataclasses.replace(request, **{modality: other})])
    assert not torch.equal(getattr(seen, modality).values, getattr(process([request]), modality).values)
