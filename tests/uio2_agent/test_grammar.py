"""Token grammars: brute-force enumeration of small languages, forced runs, the packaged and the stand-in
tokenizer.
"""

import itertools

import numpy as np
import pytest

from uio2_agent import grammar
from uio2_agent.errors import UIO2Error
from uio2_agent.text.tokenizer import TextTokenizer

EOS = 1


def _language(built: grammar.Grammar, longest: int = 8) -> set[tuple[int, ...]]:
    """Every finished answer, by walking choices() only."""
    found, open_walks = set(), [((), built.start())]
    for _ in range(longest):
        walks = [((*ids, int(t)), s.advance(int(t))) for ids, s in open_walks for t in s.choices()]
        found |= {ids for ids, state in walks if state.done}
        open_walks = [(ids, state) for ids, state in walks if not state.done]
    assert not open_walks
    return found


def test_language_equals_the_enumerated_one():
    item = grammar.choice(grammar.tokens([5, 6]), grammar.tokens([5, 7]), grammar.one_of([8, 9]))
    built = grammar.Grammar(
        grammar.sequence(grammar.tokens([3]), grammar.repeat([item, item], at_least=1)), EOS
    )
    options = [(5, 6), (5, 7), (8,), (9,)]
    plans = [(a,) for a in options] + list(itertools.product(options, options))
    assert _language(built) == {(3, *itertools.chain(*plan), EOS) for plan in plans}


def test_repeat_may_be_empty_and_items_may_differ():
    built = grammar.Grammar(grammar.repeat([grammar.tokens([4]), grammar.tokens([5])]), EOS)
    assert _language(built) == {(EOS,), (4, EOS), (4, 5, EOS)}


def test_forced_runs_are_the_longest_and_end_with_the_end_token():
    built = grammar.Grammar(
        grammar.sequence(grammar.tokens([3, 4]), grammar.one_of([5, 6]), grammar.tokens([7, 8])), EOS
    )
    start = built.start()
    assert start.forced() == (3, 4)
    state = start.advance(3).advance(4)
    assert state.forced() == () and state.choices().tolist() == [5, 6]
    assert state.advance(5) is state.advance(6)  # equal points are one state
    assert state.advance(5).forced() == (7, 8, EOS)
    assert start.forced() == (3, 4) and not start.done  # walking changed nothing
    assert state.advance(5).advance(7).advance(8).advance(EOS).done


def test_a_shared_prefix_is_forced_before_the_choice():
    built = grammar.Grammar(grammar.choice(grammar.tokens([4, 5, 6]), grammar.tokens([4, 5, 7])), EOS)
    assert built.start().forced() == (4, 5)


def test_errors_say_what_is_allowed():
    state = grammar.Grammar(grammar.one_of([5, 6]), EOS).start()
    with pytest.raises(UIO2Error, match=r"token 9 cannot come next; allowed is one of 2 ids \(5, 6\)"):
        state.advance(9)
    done = state.advance(5).advance(EOS)
    assert done.done and done.choices().size == 0 and done.forced() == ()
    with pytest.raises(UIO2Error, match="answer has ended"):
        done.advance(5)
    for wrong in (lambda: grammar.one_of([]), grammar.choice, lambda: grammar.repeat([], at_least=1)):
        with pytest.raises(UIO2Error):
            wrong()
    with pytest.raises(UIO2Error, match="outer spaces"):
        grammar.literal(TextTokenizer.packaged(), " pick")


@pytest.fixture(params=["packaged", "official stand-in"])
def tokenizer(request, shared):
    if request.param == "packaged":
        return TextTokenizer.packaged()
    return TextTokenizer(shared / "fixtures" / "uio2" / "mock_llama_tokenizer.model")


def test_literals_concatenate_to_the_whole_text(tokenizer):
    parts = ["12: pick from (", "<extra_id_200> <extra_id_700>", ") and place to (", "<extra_id_1199>", ")"]
    grammar.check_literals(tokenizer, parts)
    with pytest.raises(UIO2Error, match="one by one"):
        grammar.check_literals(_GluesWords(tokenizer), parts)


def test_location_is_exactly_the_thousand_bins(tokenizer):
    built = grammar.Grammar(grammar.location(tokenizer.vocabulary), tokenizer.vocabulary.eos)
    texts = {tokenizer.decode([i]) for i in built.start().choices()}
    assert texts == {f"<extra_id_{200 + b}>" for b in range(1000)}


class _GluesWords:
    """A tokenizer whose text encodes differently as a whole."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer

    def encode(self, text):
        return self._tokenizer.encode(text.replace("( <", "(<"))


def test_random_walks_end_and_states_stay_few():
    rng = np.random.default_rng(0)
    steps = [grammar.sequence(grammar.tokens([10 + i]), grammar.one_of(range(100, 1100))) for i in range(5)]
    built = grammar.Grammar(grammar.repeat(steps, at_least=1), EOS)
    for _ in range(200):
        state, ids = built.start(), []
        while not state.done:
            run = state.forced()
            ids += run or [int(rng.choice(state.choices()))]
            for token in run or ids[-1:]:
                state = state.advance(token)
        assert ids[-1] == EOS and len(ids) in {3, 5, 7, 9, 11}
        assert ids[:-1:2] == [10 + i for i in range(len(ids) // 2)]
    assert len(built._states) <= 16
