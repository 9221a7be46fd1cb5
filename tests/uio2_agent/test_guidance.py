"""Classifier-free guidance against two separate forward passes, and what it does at its limits."""

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests
from uio2_agent.generation.guidance import guide
from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.request import Request

pytestmark = RANDOM_ENDS

USED = {"text": (1, None), "image": (1, 42), "audio": (1, 26)}
EOS = 1
OFFICIAL = {"image": Request("An image of a random picture."), "audio": Request("A video of a random audio.")}


@pytest.fixture(scope="module")
def model():
    return full_model(5)


def tokens_of(answers):
    return [answer.tokens.tolist() for answer in answers]


def log_probabilities(model, request, modality, tokens):
    """Return float64 [T, V] of an answer's tokens after a request, in one pass."""
    ids = torch.tensor([tokens])
    inputs = torch.nn.functional.pad(ids[:, :-1], (1, 0))
    target = TokenTarget(inputs, ids, torch.ones_like(ids, dtype=torch.bool), torch.arange(len(tokens))[None])
    encoded = model.encode(model.processor([request], target=modality))
    return model.score(target, encoded, modality=modality).logits[modality][0].double().log_softmax(-1)


@pytest.mark.parametrize("modality", ["text", "image", "audio"])
@pytest.mark.parametrize("scale", [0.5, 10.0])
@torch.inference_mode()
def test_answers_follow_the_scores_of_two_separate_passes(model, modality, scale):
    negative = OFFICIAL.get(modality, Request("Nothing in particular"))
    options = dict(negative=negative) if modality == "text" else {}
    answers = model.generate(full_requests(), modality, guidance=scale, max_new_tokens=12, **options)
    first, last = USED[modality]
    last = model.processor.tokenizer.vocabulary.size if last is None else last
    for request, answer in zip(full_requests(), answers, strict=True):
        tokens = answer.tokens.tolist()  # those behind the end of a picture follow no scores
        tokens = tokens[: tokens.index(EOS) + 1] if EOS in tokens else tokens
        main, other = (log_probabilities(model, r, modality, tokens) for r in (request, negative))
        guided = ((1 + scale) * main - scale * other)[:, first:last]
        chosen = guided[torch.arange(len(tokens)), torch.tensor(tokens) - first]
        assert (guided.amax(-1) - chosen).max() < 1e-3
        assert (guided.argmax(-1) + first).tolist() == tokens


def test_a_closed_form():
    main, negative = torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([[0.25, 0.5, 0.25]]).log()
    found = guide(main + 7, negative - 3, 1.0).softmax(-1)  # p * p / p': 1, 1/8, 1/4
    assert found[0].tolist() == pytest.approx([8 / 11, 1 / 11, 2 / 11])


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_without_scale_or_with_a_tiny_one_answers_are_unguided(model, modality):
    plain = tokens_of(model.generate(full_requests(), modality))
    assert tokens_of(model.generate(full_requests(), modality, guidance=0.0)) == plain
    assert tokens_of(model.generate(full_requests(), modality, guidance=1e-6)) == plain
    assert tokens_of(model.generate(full_requests(), modality, guidance=10.0)) != plain


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_led_away_from_itself_an_answer_stays(model, modality):
    """Main and negative scores cancel."""
    plain = tokens_of(model.generate(full_requests(), modality))
    guided = model.generate(full_requests(), modality, guidance=2.0, negative=full_requests())
    assert tokens_of(guided) == plain


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_default_negative_is_the_official_prompt(model, modality):
    default = tokens_of(model.generate(full_requests(), modality, guidance=4.0))
    stated = model.generate(full_requests(), modality, guidance=4.0, negative=OFFICIAL[modality])
    assert tokens_of(stated) == default
    other = model.generate(full_requests(), modality, guidance=4.0, negative=Request("A red block"))
    assert tokens_of(other) != default


@pytest.mark.parametrize("fixed_shape", [False, True])
def test_guided_rows_equal_each_alone(model, fixed_shape):
    """Negatives may differ from request to request, and drawing is guided too."""
    negatives = [Request(f"Not number {row}") for row in range(6)]
    options = dict(guidance=3.0, temperature=1.0, fixed_shape=fixed_shape)
    together = model.generate(full_requests(), "audio", negative=negatives, seed=3, **options)
    for row, request in enumerate(full_requests()):
        alone = model.generate(request, "audio", negative=negatives[row], seed=3 + row, **options)
        assert np.array_equal(alone.tokens, together[row].tokens)


@pytest.mark.parametrize("stated", [False, True])
def test_mixed_targets_are_led_away_each_from_its_own(model, stated):
    targets = ["audio", "image"] * 3
    negatives = [Request(f"Not number {row}") for row in range(6)] if stated else None
    together = model.generate(full_requests(), targets, guidance=5.0, negative=negatives)
    for row, (request, target) in enumerate(zip(full_requests(), targets, strict=True)):
        negative = negatives[row] if stated else None
        alone = model.generate(request, target, guidance=5.0, negative=negative)
        assert np.array_equal(together[row].tokens, alone.tokens)


def test_parallel_decoding_of_a_guided_text_is_exact(model):
    options = dict(guidance=2.0, negative=Request("Nothing"), max_new_tokens=15)
    greedy = tokens_of(model.generate(full_requests(), **options))
    drafts = [tokens[:9] for tokens in greedy[::-1]]
    assert tokens_of(model.generate(full_requests(), parallel=True, draft=drafts, **options)) == greedy
