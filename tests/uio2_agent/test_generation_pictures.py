"""Images and sounds: cached steps against the whole forward, existing tokens, mixed targets, fixed shapes."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests
from uio2_agent.config import ResamplerConfig
from uio2_agent.errors import RequestError
from uio2_agent.generation.decoding import decode
from uio2_agent.generation.generate import stack_encoded
from uio2_agent.generation.sampling import Sampling
from uio2_agent.generation.stepping import Stepper
from uio2_agent.inputs.batch import TokenTarget

pytestmark = RANDOM_ENDS

COUNTS = {"image": 48, "audio": 24}
TARGETS = ["image", "text", "audio", "image", "text", "audio"]


@pytest.fixture(scope="module")
def model():
    return full_model()


def whole_forward(model, encoded, tokens, modality):
    """Score answers [B, T] in a single pass: logits [B, T, V]."""
    inputs = torch.nn.functional.pad(tokens[:, :-1], (1, 0))
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    target = TokenTarget(inputs, tokens, torch.ones_like(tokens, dtype=torch.bool), positions)
    return model.score(target, encoded, modality=modality).logits[modality].float()


def by_steps(model, encoded, modality, **options):
    """Decode greedily; returns tokens [B, T] and the scores [B, T, V] they were chosen from."""
    limit, steps = COUNTS.get(modality, 20), []
    stepper = Stepper(model, encoded, limit, modality)
    *_, rows = decode(stepper, limit=limit, end=None, scores=steps, **options)
    return torch.tensor([row.tokens for row in rows]), torch.stack(steps, 1)


COSINE = dict(
    image_history=ResamplerConfig(
        width=16, heads=2, head_dim=8, mlp_dim=24, layers=2, latents=3, qk_norm=False, scaled_cosine=True
    )
)


@pytest.mark.parametrize("modality", ["text", "image", "audio"])
@pytest.mark.parametrize(
    "changes",
    [
        dict(),
        dict(cross_every=2),
        dict(sparse_patterns=True),
        dict(sparse_patterns=True, cross_every=3, **COSINE),
    ],
    ids=["plain", "cross_every", "sparse", "sparse_cross_cosine"],
)
@torch.inference_mode()
def test_cached_steps_equal_the_whole_forward(modality, changes):
    model = full_model(2, **changes)
    encoded = model.encode(model.processor(full_requests(), target=modality))
    tokens, steps = by_steps(model, encoded, modality, sampling=Sampling(1.0))
    assert min(len(set(row)) for row in tokens.tolist()) > 10
    whole = whole_forward(model, encoded, tokens, modality)
    assert (whole - steps).abs().max() < 1e-4
    greedy, steps = by_steps(model, encoded, modality)
    assert torch.equal(whole_forward(model, encoded, greedy, modality).argmax(-1), greedy)
    if "sparse_patterns" in changes:
        model.config = dataclasses.replace(model.config, sparse_patterns=False)
        dense = whole_forward(model, encoded, tokens, modality)
        assert ((dense - whole).abs().max() > 1e-2) == (modality != "text")


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("sparse", [False, True])
@torch.inference_mode()
def test_rows_at_different_positions_equal_the_whole_forward(modality, sparse):
    """Drafts of unlike quality bring the rows of a picture apart; that reads the patterns row by row."""
    model = full_model(3, sparse_patterns=sparse)
    encoded = model.encode(model.processor(full_requests(), target=modality))
    greedy, _ = by_steps(model, encoded, modality)
    drafts = [row[: 3 * number] for number, row in enumerate(greedy.tolist())]
    limit = COUNTS[modality]
    *_, rows = decode(Stepper(model, encoded, limit, modality), limit=limit, end=None, drafts=drafts)
    assert [row.tokens for row in rows] == greedy.tolist()


@pytest.mark.parametrize("modality", ["text", "image", "audio"])
@torch.inference_mode()
def test_bfloat16_steps_are_near_the_whole_forward(modality):
    model = full_model(2).transformer_to(torch.bfloat16)
    encoded = model.encode(model.processor(full_requests(), target=modality))
    tokens, steps = by_steps(model, encoded, modality)
    whole = whole_forward(model, encoded, tokens, modality)
    assert (whole - steps).norm() < 0.02 * whole.norm()
    for answer in model.generate(full_requests()[:2], modality):
        assert len(answer.tokens) == COUNTS.get(modality, len(answer.tokens))


def codes_of(answer):
    """The codes of an answer: what is filled up with the end token shows code 0."""
    return np.maximum(answer.tokens - 2, 0)


def test_an_image_is_what_its_tokens_decode_to(model):
    for answer in model.generate(full_requests(), "image"):
        assert answer.text is None and answer.audio is None
        assert answer.image.dtype == np.uint8 and answer.image.shape == (32, 24, 3)
        assert answer.tokens.shape == (48,)
        with torch.inference_mode():
            planes = model.targets["image"].tokenizer.decode(torch.from_numpy(codes_of(answer))[None])[0]
        expected = (planes.permute(1, 2, 0).double().numpy() + 1) * 127.5
        assert np.abs(answer.image - expected.clip(0, 255)).max() <= 0.5 + 1e-3


def test_a_sound_is_what_its_tokens_decode_to(model):
    for answer in model.generate(full_requests(), "audio"):
        assert answer.text is None and answer.image is None
        assert answer.audio.dtype == np.float32 and answer.audio.shape == (24, 16)
        assert answer.tokens.shape == (24,)
        raster = codes_of(answer).reshape(6, 4).T.ravel().copy()  # decoded time first, stored mel first
        with torch.inference_mode():
            values = model.targets["audio"].tokenizer.decode(torch.from_numpy(raster)[None])[0].T.numpy()
        assert np.log(answer.audio) == pytest.approx(values * MEL_STD + MEL_MEAN, abs=1e-4)


MEL_MEAN, MEL_STD = -5.0945, 3.8312


def test_targets_of_several_kinds_in_one_call_equal_each_alone(model):
    answers = model.generate(full_requests(), TARGETS, max_new_tokens=9)
    for request, target, answer in zip(full_requests(), TARGETS, answers, strict=True):
        alone = model.generate(request, target, max_new_tokens=9)
        assert np.array_equal(answer.tokens, alone.tokens)
        assert answer.text == alone.text
        for name in ("image", "audio"):
            ours, its = getattr(answer, name), getattr(alone, name)
            assert (ours is not None) == (its is not None) == (name == target)
            assert ours is None or np.allclose(ours, its, rtol=1e-4, atol=1)


@pytest.mark.parametrize("target", ["image", "audio"])
@pytest.mark.parametrize("options", [{}, dict(guidance=2.0)])
def test_the_end_token_ends_a_picture_and_fills_it(target, options):
    """The token that one answer has in its midst changes places with the end token; the others go on."""
    model = full_model(4)

    def without(token):
        never = dict(logits_processor=lambda scores, _: scores.index_fill(1, torch.tensor([token]), -1e9))
        return model.generate(full_requests(), target, **options, **never)

    before = without(1)
    held = [set(answer.tokens.tolist()) for answer in before]
    row, place = next(
        (row, place)
        for row, answer in enumerate(before)
        for place, token in enumerate(answer.tokens.tolist())
        if place > 3 and sum(token in tokens for tokens in held) == 1 and token not in answer.tokens[:place]
    )
    token = int(before[row].tokens[place])
    with torch.no_grad():
        table = model.table(target)
        table[[1, token]] = table[[token, 1]]
    count = COUNTS[target]
    with pytest.warns(
        UserWarning, match=f"the {target} of request {row} ended after {place + 1} of {count} t"
    ):
        after = without(token)
    expected = before[row].tokens.copy()
    expected[place:] = 1
    assert after[row].tokens.tolist() == expected.tolist()
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert number == row or np.array_equal(old.tokens, new.tokens)
    decoded = model.targets[target].decode(torch.from_numpy(expected)[None])
    found = getattr(after[row], target)
    if target == "image":
        assert np.abs(found / 255 - decoded[0].detach().numpy()).max() < 0.5 / 255 + 1e-4
    else:
        assert np.allclose(np.log(found), decoded[0].detach().numpy() * MEL_STD + MEL_MEAN, atol=1e-4)


WAYS = [(target, {}) for target in ("text", "image", "audio")] + [
    ("text", dict(temperature=2.0)),
    ("image", dict(temperature=2.0, top_p=1.0)),
    ("audio", dict(temperature=2.0, top_k=5)),
    ("image", dict(guidance=2.0)),
    ("audio", dict(guidance=2.0, temperature=1.0)),
    ("text", dict(beams=2)),
]


@pytest.mark.parametrize(("target", "options"), WAYS)
def test_tokens_that_stand_for_nothing_are_never_chosen(target, options):
    """All other rows of the tables are made far likelier."""
    model = full_model(4)
    used = {"text": (1, model.processor.tokenizer.vocabulary.size), "image": (1, 42), "audio": (1, 26)}[
        target
    ]
    with torch.no_grad():
        rows = model.table(target)
        rows[used[1] :] *= 50
        rows[: used[0]] *= 50
    for answer in model.generate(full_requests(), target, seed=1, max_new_tokens=12, **options):
        assert used[0] <= answer.tokens.min() and answer.tokens.max() < used[1]


@pytest.mark.parametrize("target", ["text", "image", "audio"])
def test_fixed_shapes_make_answers_the_same_at_any_batch_size(model, target):
    options = dict(fixed_shape=True, temperature=1.0, max_new_tokens=12)
    alone = [model.generate(r, target, seed=i, **options) for i, r in enumerate(full_requests())]
    for size in (3, 6):
        for i, answer in enumerate(model.generate(full_requests()[:size], target, seed=0, **options)):
            assert np.array_equal(answer.tokens, alone[i].tokens)
            assert target != "image" or np.abs(answer.image - alone[i].image.astype(int)).max() <= 1
            assert target != "audio" or np.allclose(answer.audio, alone[i].audio, rtol=1e-5)


@pytest.mark.parametrize("modality", ["text", "image"])
@torch.inference_mode()
def test_fixed_shapes_make_scores_bitwise_the_same_at_any_batch_size(model, modality):
    """What the tokens are chosen from, so that not even a tie could fall another way."""
    from uio2_agent.generation.generate import encode_alone

    def scores(requests):
        return by_steps(model, encode_alone(model, requests, modality), modality)[1]

    asked = full_requests()[::-1]  # the longest comes last
    together = scores(asked)
    for size in (1, 2, 5):
        assert torch.equal(scores(asked[:size])[:size], together[:size])


@torch.inference_mode()
def test_stacked_encodings_decode_as_each_does(model):
    parts = [model.encode(model.processor([request])) for request in full_requests()]
    stacked = stack_encoded(parts)
    assert stacked.mask.sum(1).tolist() == [int(part.mask.sum()) for part in parts]
    tokens, steps = by_steps(model, stacked, "text")
    for row, part in enumerate(parts):
        alone, its = by_steps(model, part, "text")
        assert torch.equal(alone[0], tokens[row])
        assert (its[0] - steps[row]).abs().max() < 2e-5


def test_refusals(model):
    request = full_requests()[0]
    with pytest.raises(RequestError, match="no target 'smell'"):
        model.generate(request, "smell")
    with pytest.raises(RequestError, match="1 requests but 2 targets"):
        model.generate(request, ["image", "text"])
    with pytest.raises(RequestError, match="a grammar is for text answers, not for image"):
        model.generate(request, "image", grammar=[_Never()])
    with pytest.raises(RequestError, match="beam search is for text answers, not for audio"):
        model.generate(request, "audio", beams=2)


class _Never:
    def start(self):
        raise AssertionError("a grammar that is refused is not walked")
