"""The step of fixed shapes against the plain one: as it is for every target, and once really compiled."""

import gc
import shutil
import weakref

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests, requests, tiny_model
from uio2_agent.errors import UIO2Error
from uio2_agent.generation import compiled
from uio2_agent.generation.packed_weights import pack_weights
from uio2_agent.request import Request

pytestmark = RANDOM_ENDS


@pytest.fixture
def interpreted(monkeypatch):
    """Leave the step uncompiled: its buffers and masks are what most can go wrong with."""
    monkeypatch.setattr(torch, "compile", lambda step, **_: step)


def tokens_of(answers):
    return [answer.tokens.tolist() for answer in answers]


@pytest.mark.parametrize("target", ["text", "image", "audio"])
@pytest.mark.parametrize("changes", [{}, dict(sparse_patterns=True, cross_every=2)], ids=str)
def test_answers_are_those_of_the_plain_step(interpreted, target, changes):
    model = full_model(1, **changes)
    for asked in (full_requests()[:3], full_requests()[3:]):  # a long source, then a short one
        plain = model.generate(asked, target)
        assert tokens_of(model.generate(asked, target, compiled=True)) == tokens_of(plain)


def test_every_option_works_on_it(interpreted):
    model, negative = full_model(1), Request("Nothing")
    greedy = tokens_of(model.generate(requests()))
    for options in (
        dict(temperature=1.0, seed=3),
        dict(guidance=2.0, negative=negative),
        dict(parallel=True, draft=[tokens[:9] for tokens in greedy[::-1]]),
        dict(fixed_shape=True),
        dict(max_new_tokens=7),
    ):
        plain = tokens_of(model.generate(requests(), **options))
        assert tokens_of(model.generate(requests(), compiled=True, **options)) == plain


def test_bfloat16(interpreted):
    model = full_model(1).transformer_to(torch.bfloat16)
    plain, fixed = (model.generate(requests(), max_new_tokens=6, compiled=on) for on in (False, True))
    same = [
        a == b for x, y in zip(plain, fixed, strict=True) for a, b in zip(x.tokens, y.tokens, strict=False)
    ]
    assert np.mean(same) > 0.7  # sums are taken in another order


def test_one_step_is_made_for_requests_of_like_shape(interpreted, monkeypatch):
    made = []
    step = compiled._Step
    monkeypatch.setattr(compiled, "_Step", lambda *arguments: made.append(arguments[1:]) or step(*arguments))
    model = tiny_model()
    for asked in (requests(), requests()[::-1], requests()[:2], requests()[2:]):
        model.generate(asked, compiled=True, max_new_tokens=4)
    assert made == [(4, 64, 4, "text"), (2, 64, 4, "text")]


def test_an_answer_that_lost_its_buffers_says_so(interpreted):
    model = tiny_model()
    stream = model.stream(requests()[0], compiled=True, max_new_tokens=12)
    next(stream)
    model.generate(requests()[1], compiled=True, max_new_tokens=12)
    with pytest.raises(UIO2Error, match="begun before this one ended"):
        list(stream)


def test_what_is_kept_goes_with_the_model(interpreted):
    model = tiny_model()
    model.generate(requests(), compiled=True, max_new_tokens=3)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_packed_weights(interpreted, weights):
    model = pack_weights(tiny_model(), weights)
    plain = tokens_of(model.generate(requests(), max_new_tokens=5))
    assert tokens_of(model.generate(requests(), compiled=True, max_new_tokens=5)) == plain


@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler to compile with"
)
@pytest.mark.parametrize("weights", ["plain", "float32"])
def test_really_compiled(weights):
    model = tiny_model(decoder_layers=1)
    model = model if weights == "plain" else pack_weights(model, weights)
    plain = tokens_of(model.generate(requests(), max_new_tokens=12))
    assert len({token for row in plain for token in row}) > 5
    for _ in range(2):
        assert tokens_of(model.generate(requests(), compiled=True, max_new_tokens=12)) == plain
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None, "what was compiled does not keep the model"
