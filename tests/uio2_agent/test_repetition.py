"""Rules against repetition: closed forms, every way of decoding, and the official default of top_k."""

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import full_model, full_requests, requests, tiny_model
from uio2_agent.errors import RequestError
from uio2_agent.generation.options import GenerationOptions
from uio2_agent.generation.repetition import Repetition, goes_in_circles
from uio2_agent.generation.sampling import Sampling
from uio2_agent.grammar import Grammar, one_of

SCORES = torch.tensor([[2.0, -1.0, 0.5, 4.0, 0.0], [2.0, -1.0, 0.5, 4.0, 0.0]])


def test_a_penalty_by_hand():
    found = Repetition(penalty=2.0)(SCORES, [[0, 1, 1], []])
    assert found.tolist() == [[1.0, -2.0, 0.5, 4.0, 0.0], SCORES[1].tolist()]
    assert torch.equal(
        Repetition(penalty=0.5)(SCORES, [[3], [4]])[0], torch.tensor([2.0, -1.0, 0.5, 8.0, 0.0])
    )


@pytest.mark.parametrize(
    ("ngram", "said", "banned"),
    [
        (1, [3, 0, 3], {0, 3}),
        (2, [1, 2, 1, 3, 1], {2, 3}),
        (2, [1, 2], set()),
        (2, [1, 1], {1}),
        (3, [1, 2, 4, 0, 1, 2], {4}),
        (3, [1, 2], set()),
        (3, [], set()),
        (0, [1, 1, 1], set()),
    ],
)
def test_runs_that_may_not_recur_by_hand(ngram, said, banned):
    found = Repetition(ngram=ngram)(SCORES, [said, []])
    assert set(torch.isinf(found[0]).nonzero().flatten().tolist()) == banned
    kept = [token for token in range(5) if token not in banned]
    assert torch.equal(found[0, kept], SCORES[0, kept]) and torch.equal(found[1], SCORES[1])


def ngrams(tokens, size):
    return [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]


@pytest.mark.parametrize("options", [{}, dict(temperature=0.3, seed=0), dict(beams=3), dict(parallel=True)])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_way_of_decoding_repeats_a_run(options, size):
    model = tiny_model(3)
    asked = dict(max_new_tokens=40, **options)
    plain = model.generate(requests(), **asked)
    ruled = model.generate(requests(), no_repeat_ngram_size=size, **asked)
    runs = [ngrams(answer.tokens.tolist(), size) for answer in ruled]
    assert all(len(set(found)) == len(found) for found in runs)
    assert any(
        len(set(ngrams(a.tokens.tolist(), size))) < len(ngrams(a.tokens.tolist(), size)) for a in plain
    )


def test_a_penalty_is_followed_step_by_step():
    """Each token is the best of the penalised scores; Jacobi decoding finds the same tokens."""
    model = tiny_model(3)
    (request,) = requests()[:1]
    seen = []

    def record(scores, tokens):
        seen.append((scores.clone(), [list(row) for row in tokens]))
        return scores

    answer = model.generate(request, max_new_tokens=20, repetition_penalty=1.8, logits_processor=record)
    exists = slice(1, model.processor.tokenizer.vocabulary.size)
    for step, (scores, tokens) in enumerate(seen):
        assert tokens == [answer.tokens[:step].tolist()]
        assert int(scores[0, exists].argmax()) + 1 == answer.tokens[step]
    raw = []
    model.generate(request, max_new_tokens=2, logits_processor=lambda s, t: raw.append(s.clone()) or s)
    assert torch.equal(raw[0], seen[0][0])  # nothing is said yet
    first = int(answer.tokens[0])
    expected = raw[1].clone()
    expected[0, first] *= 1.8 if expected[0, first] < 0 else 1 / 1.8
    assert torch.allclose(expected, seen[1][0])
    again = model.generate(request, max_new_tokens=20, repetition_penalty=1.8, parallel=True)
    assert np.array_equal(answer.tokens, again.tokens)
    plain = model.generate(request, max_new_tokens=20)
    assert len(set(answer.tokens.tolist())) > len(set(plain.tokens.tolist()))


def test_the_defaults_change_nothing():
    options = GenerationOptions()
    assert not options.repetition.acts and options.stop_repetition == 0
    model = tiny_model(3)
    for ways in ({}, dict(beams=2), dict(temperature=1.0, seed=0)):
        plain = model.generate(requests(), max_new_tokens=12, **ways)
        same = model.generate(requests(), max_new_tokens=12, repetition_penalty=1.0, **ways)
        assert [a.tokens.tolist() for a in plain] == [a.tokens.tolist() for a in same]


def test_top_k_is_officially_50_for_text_and_all_for_the_others():
    drawn = GenerationOptions(temperature=1.0)
    assert [drawn.sampling(name) for name in ("text", "image", "audio")] == [
        Sampling(1.0, 1.0, 50),
        Sampling(1.0, 0.95, 0),
        Sampling(1.0, 0.95, 0),
    ]
    assert GenerationOptions(temperature=1.0, top_k=0).sampling("text").top_k == 0
    grammar = Grammar(one_of([5]), 1)
    assert GenerationOptions(temperature=1.0, grammar=grammar).sampling("text").top_k == 0
    assert GenerationOptions(temperature=1.0, top_k=7).sampling("image").top_k == 7
    model = tiny_model(3)
    found = [
        [a.tokens.tolist() for a in model.generate(requests(), temperature=3.0, seed=0, **k)]
        for k in ({}, dict(top_k=50), dict(top_k=0))
    ]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("said", "times", "circles"),
    [
        ([5, 5, 5], 3, True),
        ([9, 5, 5, 5], 3, True),
        ([5, 5, 6], 3, False),
        ([1, 2, 1, 2, 1, 2], 3, True),
        ([1, 2, 1, 2, 1], 3, False),
        ([1, 2, 1, 2, 1, 2, 7], 3, False),
        (list(range(16)) * 2, 2, True),
        (list(range(17)) * 2, 2, False),
        ([], 2, False),
        ([4], 2, False),
    ],
)
def test_circles_by_hand(said, times, circles):
    assert goes_in_circles(said, times) == circles


def test_a_text_that_goes_in_circles_ends():
    model = tiny_model(3)
    word = 300

    def one_word(scores, _):
        return scores.index_fill(1, torch.tensor([word]), 1e4)

    asked = dict(max_new_tokens=40, logits_processor=one_word)
    assert model.generate(requests()[0], **asked).tokens.tolist() == [word] * 40
    assert model.generate(requests()[0], stop_repetition=5, **asked).tokens.tolist() == [word] * 5
    assert (
        "".join(model.stream(requests()[0], stop_repetition=5, **asked)).count(
            model.processor.tokenizer.decode([word])
        )
        == 5
    )


def test_refusals():
    request, grammar = requests()[0], Grammar(one_of([5]), 1)
    for options, said in (
        (dict(repetition_penalty=0.0), "repetition_penalty=0.0"),
        (dict(repetition_penalty=float("nan")), "repetition_penalty=nan"),
        (dict(no_repeat_ngram_size=-1), "no_repeat_ngram_size=-1"),
        (dict(no_repeat_ngram_size=2, grammar=grammar), "a grammar says what comes again"),
        (dict(stop_repetition=1), "stop_repetition=1"),
        (dict(top_k=-1), "top_k=-1"),
    ):
        with pytest.raises(RequestError, match=said):
            tiny_model().generate(request, **options)
    for target in ("image", "audio"):
        with pytest.raises(RequestError, match=f"for text answers, not for {target}"):
            full_model().generate(full_requests()[0], target, repetition_penalty=1.2)
