"""The decoding loop: forced runs and drafts against one token at a time, on scripted and on tiny models."""

import numpy as np
import pytest
import torch

from tests.uio2_agent.scripted import EOS, START, TOKENS, Scripted, scores
from tests.uio2_agent.tiny import requests, tiny_model
from uio2_agent.generation.decoding import decode, sketch
from uio2_agent.generation.stepping import Stepper
from uio2_agent.grammar import Grammar, choice, literal, location, one_of, repeat, sequence

LIMIT = 16
DRAFTS = [
    "right",
    "wrong from the first",
    "wrong in the middle",
    "short",
    "long",
    "empty",
    "ended early",
    "noise",
]


def one_by_one(seed, grammar=None, end=EOS, logits_processor=None, limit=LIMIT):
    """Return the greedy answer, worked out from the scores alone."""
    tokens, state = [], None if grammar is None else grammar.start()
    while len(tokens) < limit:
        line = torch.from_numpy(scores(seed, [START, *tokens]))[None]
        line = (line if logits_processor is None else logits_processor(line, [tokens]))[0].numpy()
        allowed = np.arange(TOKENS) if state is None else state.choices()
        tokens.append(int(allowed[line[allowed].argmax()]))
        state = None if state is None else state.advance(tokens[-1])
        if tokens[-1] == end if state is None else state.done:
            break
    return tokens


def random_grammar(random, depth=3):
    def element(depth):
        if depth == 0 or random.random() < 0.3:
            return one_of(random.choice(np.arange(2, TOKENS), random.choice([1, 1, 2, 5]), replace=False))
        parts = [element(depth - 1) for _ in range(random.integers(1, 4))]
        kind = random.integers(3)
        return sequence(*parts) if kind == 0 else choice(*parts) if kind == 1 else repeat(parts, 1)

    return Grammar(sequence(element(depth), element(depth)), EOS)


def draft_of(answer, kind, random):
    """Return a guess of an answer that is right or wrong in a certain way."""
    noise = random.integers(1, TOKENS, LIMIT).tolist()
    middle = len(answer) // 2
    return {
        "right": answer,
        "wrong from the first": [token % (TOKENS - 1) + 1 for token in answer],
        "wrong in the middle": [*answer[:middle], answer[middle] % (TOKENS - 1) + 1, *answer[middle + 1 :]],
        "short": answer[: max(1, middle)],
        "long": answer + noise,
        "empty": [],
        "ended early": [*answer[:middle], EOS],
        "noise": noise,
    }[kind]


def run(seeds, scores=scores, limit=LIMIT, **options):
    decoder = Scripted(seeds, scores)
    *_, rows = decode(decoder, limit=limit, **options)
    return [row.tokens for row in rows], decoder.calls


@pytest.mark.parametrize("kind", DRAFTS)
@pytest.mark.parametrize("setting", ["grammar", "text", "picture", "processor"])
def test_drafts_change_calls_only(kind, setting):
    def process(line, tokens):  # the token before is never said again
        line = line.clone()
        for row, before in enumerate(tokens):
            line[row, before[-1:]] = -torch.inf
        return line

    for trial in range(8):
        random = np.random.default_rng([trial, 7])
        seeds = random.integers(1000, size=5).tolist()
        grammars = [random_grammar(random) for _ in seeds] if setting == "grammar" else None
        options = {"picture": {"end": None}, "processor": {"logits_processor": process}}.get(setting, {})
        options |= {"limit": [LIMIT, 5][trial % 2]}  # some grammars are cut short
        expected = [
            one_by_one(seed, grammar, **options)
            for seed, grammar in zip(seeds, grammars or [None] * len(seeds), strict=True)
        ]
        plain, calls = run(seeds, grammars=grammars, **options)
        assert plain == expected
        drafts = [draft_of(answer, kind, random) for answer in expected]
        found, fewer = run(seeds, grammars=grammars, drafts=drafts, **options)
        assert found == expected
        assert fewer <= calls
        if kind == "right" and calls:
            assert fewer == 1


def test_each_row_may_have_a_draft_of_its_own_kind():
    for trial in range(40):
        random = np.random.default_rng([trial, 8])
        seeds = random.integers(1000, size=len(DRAFTS)).tolist()
        grammars = [random_grammar(random) for _ in seeds]
        expected = [one_by_one(*pair) for pair in zip(seeds, grammars, strict=True)]
        kinds = random.permutation(DRAFTS)
        drafts = [draft_of(answer, kind, random) for answer, kind in zip(expected, kinds, strict=True)]
        assert run(seeds, grammars=grammars, drafts=drafts)[0] == expected


def test_guesses_are_mended_at_all_places_at_once():
    """Where scores do not depend on what was guessed, one call mends a wrong draft, a second confirms it."""

    def by_place(seed, prefix):
        return scores(seed, [len(prefix)])

    for trial in range(20):
        random = np.random.default_rng([trial, 10])
        grammars = [random_grammar(random)] if trial % 2 else None
        (answer,), calls = run([trial], scores=by_place, grammars=grammars, end=None)
        draft = draft_of(answer, "wrong from the first", random)
        (found,), fewer = run([trial], scores=by_place, grammars=grammars, end=None, drafts=[draft])
        assert found == answer and fewer <= min(calls, 2 if grammars is None else 3)


def test_the_sketch_of_a_grammar_is_one_of_its_answers_and_drafts_it():
    for trial in range(40):
        random = np.random.default_rng([trial, 9])
        grammars = [random_grammar(random) for _ in range(3)]
        drafts = [sketch(grammar, LIMIT) for grammar in grammars]
        for grammar, draft in zip(grammars, drafts, strict=True):
            state = grammar.start()
            for token in draft:
                state = state.advance(token)
            assert state.done or len(draft) == LIMIT
        expected = [one_by_one(seed, grammar) for seed, grammar in enumerate(grammars)]
        assert run([0, 1, 2], grammars=grammars, drafts=drafts)[0] == expected


@pytest.mark.parametrize("drafted", [False, True])
def test_a_row_that_is_stopped_leaves_the_others_alone(drafted):
    seeds = [3, 4, 5]
    expected = [one_by_one(seed, end=None) for seed in seeds]
    decoder = Scripted(seeds)
    drafts = [answer[:4] for answer in expected] if drafted else None
    for rows in decode(decoder, limit=LIMIT, end=None, drafts=drafts):
        if len(rows[1].tokens) >= 5:
            rows[1].stop()
    assert [row.tokens for row in rows][::2] == expected[::2]
    assert 5 <= len(rows[1].tokens) < LIMIT and rows[1].tokens == expected[1][: len(rows[1].tokens)]


def test_tokens_that_do_not_exist_are_never_chosen_nor_guessed_into_an_answer():
    allowed = torch.arange(TOKENS) % 2 == 1
    plain, _ = run([1, 2], allowed=allowed)
    assert all(token % 2 for row in plain for token in row)
    assert run([1, 2], allowed=allowed, drafts=[[2, 4, 6] * 4] * 2)[0] == plain


def plan(tokenizer, steps):
    """Return a grammar like that of actions: numbered steps of forced words, places and a choice."""
    spot = [location(tokenizer.vocabulary)] * 2
    items = [
        sequence(
            literal(tokenizer, f"{n}: pick from ("),
            *spot,
            choice(literal(tokenizer, ") and place to ("), literal(tokenizer, ") and push to the")),
            *spot,
        )
        for n in range(steps)
    ]
    return Grammar(repeat(items, at_least=1), EOS)


@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_parallel_answers_of_a_model_are_the_greedy_ones(seed, monkeypatch):
    model = tiny_model(seed)
    calls = []
    once = Stepper.__call__
    monkeypatch.setattr(Stepper, "__call__", lambda self, *fed: calls.append(1) or once(self, *fed))

    def answers(**options):
        calls.clear()
        return [answer.tokens.tolist() for answer in model.generate(requests(), **options)], len(calls)

    tokenizer = model.processor.tokenizer
    grammars = [
        plan(tokenizer, 1),
        plan(tokenizer, 2),
        Grammar(literal(tokenizer, "stop"), EOS),
        plan(tokenizer, 3),
    ]
    for options in (dict(grammar=grammars), {}):
        greedy, slow = answers(**options)
        right = [[*answer, EOS] for answer in greedy]
        assert answers(**options, parallel=True, draft=right) == (greedy, 1)
        one = greedy[0][:5]  # a single draft stands for all
        wrong = [[token + 1 for token in answer[:9]] for answer in greedy]
        for draft in (None, wrong, one, [answer[:3] for answer in right], [[], *right[1:]]):
            found, fewer = answers(**options, parallel=True, draft=draft)
            assert found == greedy and fewer <= slow
