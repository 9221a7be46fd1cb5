"""How a token is chosen: against closed forms, by frequency, by seed."""

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests, requests, tiny_model
from uio2_agent.errors import RequestError
from uio2_agent.generation.options import GenerationOptions
from uio2_agent.generation.sampling import Chance, Sampling

pytestmark = RANDOM_ENDS
HALVES = torch.tensor([[0.5, 0.25, 0.125, 0.0625, 0.0625]]).log()
"""Logits whose softmax is known, in an order that is not sorted below."""
SHUFFLED = HALVES[:, [3, 0, 4, 2, 1]]


def chances(logits=SHUFFLED, **options):
    return Sampling(**{"temperature": 1.0} | options).probabilities(logits)[0].numpy()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1 / 16, 1 / 2, 1 / 16, 1 / 8, 1 / 4]),
        (dict(temperature=0.5), np.array([1, 64, 1, 4, 16]) / 86),
        (dict(temperature=2.0), np.array([1, 8**0.5, 1, 2**0.5, 2]) / (4 + 8**0.5 + 2**0.5)),
        (dict(top_k=1), [0, 1, 0, 0, 0]),
        (dict(top_k=2), [0, 2 / 3, 0, 0, 1 / 3]),
        (dict(top_k=99), [1 / 16, 1 / 2, 1 / 16, 1 / 8, 1 / 4]),
        (dict(top_p=0.3), [0, 1, 0, 0, 0]),
        (dict(top_p=0.6), [0, 2 / 3, 0, 0, 1 / 3]),  # the token that crosses the bound stays
        (dict(top_p=1e-20), [0, 1, 0, 0, 0]),
        (dict(top_k=3, top_p=0.8), [0, 2 / 3, 0, 0, 1 / 3]),  # of 4/7, 2/7, 1/7 two hold 0.8
        (dict(temperature=0.5, top_p=0.74), [0, 1, 0, 0, 0]),  # 64/86 > 0.74, while 1/2 is not
    ],
)
def test_closed_forms(options, expected):
    assert chances(**options) == pytest.approx(np.array(expected, float), abs=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_temperature_then_top_k_then_top_p(seed):
    """The official order, worked out token by token over random logits; any other order differs for some."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, 30)
    temperature, top_k, top_p = random.uniform(0.4, 2), int(random.integers(2, 20)), random.uniform(0.3, 0.95)
    weights = {token: np.exp(value / temperature) for token, value in enumerate(logits)}
    likeliest = sorted(weights, key=lambda token: -weights[token])[:top_k]
    total, kept, mass = sum(weights[token] for token in likeliest), [], 0.0
    for token in likeliest:
        if kept and mass >= top_p:
            break
        kept.append(token)
        mass += weights[token] / total
    expected = np.zeros(30)
    expected[kept] = [weights[token] for token in kept]
    found = chances(torch.from_numpy(logits)[None], temperature=temperature, top_k=top_k, top_p=top_p)
    assert found == pytest.approx(expected / expected.sum(), abs=1e-12)


def test_frequencies_follow_the_probabilities():
    draws = 4000
    sampling = Sampling(temperature=0.7, top_p=0.9)
    expected = chances(temperature=0.7, top_p=0.9)
    noise = [Chance(seed).line(0, 5) for seed in range(draws)]
    counts = np.bincount(sampling.choose(SHUFFLED.expand(draws, -1), noise), minlength=5)
    assert (counts[expected == 0] == 0).all()
    spread = np.sqrt(draws * expected * (1 - expected))
    assert (np.abs(counts - draws * expected) <= 4 * spread).all()


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-320])
def test_a_temperature_near_zero_is_greedy(temperature):
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (50, 20)))
    noise = [Chance(0).line(0, 20)] * 50
    greedy = Sampling().choose(logits, noise)
    assert greedy == logits.argmax(-1).tolist()
    assert Sampling(temperature=temperature).choose(logits, noise) == greedy


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 0.999])
def test_a_nucleus_of_a_large_vocabulary_is_found(top_p):
    """By the official rule: ascending, what adds up to 1 - top_p is dropped. Peaked and flat."""
    random = np.random.default_rng(0)
    for spread in (0.0, 0.5, 4.0):
        logits = random.normal(0, spread, 5000) + random.uniform(0, 1e-9, 5000)  # no ties
        whole = np.exp(logits) / np.exp(logits).sum()
        ascending = np.argsort(whole)
        kept = ascending[whole[ascending].cumsum() > 1 - top_p]
        found = chances(torch.from_numpy(logits)[None], top_p=top_p)
        assert abs(np.count_nonzero(found) - len(kept)) <= 1  # the bound may be met to rounding
        assert found[kept[1:]] == pytest.approx(whole[kept[1:]] / whole[kept].sum(), rel=1e-3)


def test_draws_are_those_of_torch_multinomial():
    sampling = Sampling(temperature=1.0)
    for seed in range(50):
        chance, generator = Chance(seed), torch.Generator().manual_seed(seed)
        for _ in range(3):
            drawn = torch.multinomial(sampling.probabilities(SHUFFLED)[0], 1, generator=generator)
            assert sampling.choose(SHUFFLED, [chance.line(0, 5)]) == drawn.tolist()
            chance.use()


def test_noise_may_be_looked_at_ahead_and_a_row_without_it_gets_0():
    first, second = Chance(1), Chance(1)
    ahead = [first.line(place, 5) for place in (2, 0, 1)]
    for place in (1, 2, 0):
        assert torch.equal(second.line(0, 5), ahead[place])
        second.use()
    assert Sampling(1.0).choose(SHUFFLED, [None]) == [0]


@pytest.mark.parametrize("target", ["text", "image", "audio"])
def test_same_seed_same_answer_whatever_it_is_batched_with(target):
    model, asked = full_model(), full_requests()
    options = dict(target=target, temperature=1.0, max_new_tokens=10)
    together = model.generate(asked, seed=40, **options)
    shuffled = model.generate(asked[::-1], seed=[45, 44, 43, 42, 41, 40], **options)
    for row, answer in list(enumerate(together))[::2]:
        alone = model.generate(asked[row], seed=40 + row, **options)
        assert np.array_equal(alone.tokens, answer.tokens)
    for answer, other in zip(together, shuffled[::-1], strict=True):
        assert np.array_equal(answer.tokens, other.tokens)
    typed = model.generate(asked, seed=np.int64(40), **options)
    assert [answer.tokens.tolist() for answer in typed] == [answer.tokens.tolist() for answer in together]
    same = model.generate([asked[0]] * 4, seed=[1, 2, 1, 3], **options)
    assert np.array_equal(same[0].tokens, same[2].tokens)
    assert len({tuple(answer.tokens) for answer in same}) == 3


def test_seeds_belong_to_requests_also_when_targets_are_mixed():
    model, asked = full_model(), full_requests()
    targets = ["image", "text", "audio", "text", "image", "audio"]
    options = dict(temperature=1.0, max_new_tokens=10)
    for row, answer in enumerate(model.generate(asked, targets, seed=7, **options)):
        alone = model.generate(asked[row], targets[row], seed=7 + row, **options)
        assert np.array_equal(alone.tokens, answer.tokens)


def test_without_a_seed_answers_differ():
    model = tiny_model()
    options = dict(temperature=1.0, max_new_tokens=10)
    answers = [tuple(model.generate(requests()[0], **options).tokens) for _ in range(3)]
    assert len(set(answers)) == 3


def test_pictures_are_drawn_with_the_official_top_p():
    options = GenerationOptions(temperature=1.0)
    assert [options.sampling(target).top_p for target in ("text", "image", "audio")] == [1.0, 0.95, 0.95]
    assert GenerationOptions(temperature=1.0, top_p=0.5).sampling("image").top_p == 0.5


@pytest.mark.parametrize("wrong", [dict(temperature=-1.0), dict(top_p=0.0), dict(top_p=1.5), dict(top_k=-1)])
def test_refusals(wrong):
    with pytest.raises(RequestError, match=next(iter(wrong))):
        Sampling(**wrong)
    with pytest.raises(RequestError, match=next(iter(wrong))):
        tiny_model().generate(requests()[0], **wrong)


def test_seeds_that_are_too_few():
    with pytest.raises(RequestError, match="4 requests but 2 seeds"):
        tiny_model().generate(requests(), seed=[1, 2], temperature=1.0)
