"""Text answers: cached steps against whole forward passes, grammars, batches, streams, stops, limits."""

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import requests, tiny_model
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.generation import decoding
from uio2_agent.generation.sampling import Sampling
from uio2_agent.generation.stepping import Stepper
from uio2_agent.grammar import Grammar, choice, literal, location, repeat, sequence
from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.request import Request

EOS = 1


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def decode(model, encoded, *, limit, temperature=0.0, **options):
    """Decode an encoded batch to the end; returns tokens by row."""
    stepper = Stepper(model, encoded, limit)
    *_, rows = decoding.decode(stepper, limit=limit, sampling=Sampling(temperature), **options)
    return [row.tokens for row in rows]


def scores_without_cache(model, encoded, row, tokens):
    """Score one answer in a single pass: logits [len(tokens), V] that each token was chosen from."""
    count = len(encoded.mask)
    inputs = torch.tensor([[0, *tokens[:-1]]]).expand(count, -1)
    positions = torch.arange(len(tokens)).expand_as(inputs)
    hidden = model.decode(
        TokenTarget(inputs, inputs, torch.ones_like(inputs, dtype=torch.bool), positions), encoded
    )
    return model.targets["text"].logits(hidden, model.text_table.weight)[row]


@pytest.mark.parametrize("cross_every", [1, 2])
@torch.inference_mode()
def test_cached_steps_equal_the_whole_forward(cross_every):
    model = tiny_model(1, cross_every=cross_every)
    encoded = model.encode(model.processor(requests()))
    steps = []
    rows = decode(model, encoded, limit=24, scores=steps)
    stacked = torch.stack(steps, 1)
    for row, tokens in enumerate(rows):
        assert len(set(tokens)) > 3, "the model repeats itself: the test would prove little"
        whole = scores_without_cache(model, encoded, row, tokens)
        assert (whole - stacked[row, : len(tokens)]).abs().max() < 1e-4
        assert whole.argmax(-1).tolist() == tokens


def plan_grammar(tokenizer, steps=2):
    triple = [location(tokenizer.vocabulary)] * 2
    items = [
        sequence(
            literal(tokenizer, f"{n}: pick from ("),
            *triple,
            literal(tokenizer, ") and place to ("),
            *triple,
            literal(tokenizer, ")"),
        )
        for n in range(steps)
    ]
    return Grammar(repeat(items, at_least=1), EOS)


@torch.inference_mode()
def test_forced_runs_equal_one_token_at_a_time(model):
    class Slow:
        """The same grammar, which never forces more than it must."""

        def __init__(self, state):
            self.state, self.done = state, state.done

        def start(self):
            return self

        def forced(self):
            return ()

        def choices(self):
            return self.state.choices()

        def advance(self, token):
            return Slow(self.state.advance(token))

    tokenizer = model.processor.tokenizer
    grammars = [
        plan_grammar(tokenizer),
        Grammar(literal(tokenizer, "yes or no"), EOS),
        Grammar(choice(literal(tokenizer, "pick up"), literal(tokenizer, "put down the small block")), EOS),
        plan_grammar(tokenizer, 1),
    ]
    encoded = model.encode(model.processor(requests()))
    fast_calls, slow_calls = [], []
    fast = decode(model, encoded, limit=40, grammars=grammars, scores=fast_calls)
    slow = decode(model, encoded, limit=40, grammars=[Slow(g.start()) for g in grammars], scores=slow_calls)
    assert fast == slow
    assert len(fast_calls) < len(slow_calls) / 2
    assert tokenizer.decode(fast[1]) == "yes or no"


@torch.inference_mode()
def test_an_answer_without_choices_needs_no_decoder(model):
    calls = []
    grammar = Grammar(literal(model.processor.tokenizer, "stop"), EOS)
    rows = decode(
        model, model.encode(model.processor(requests())), limit=9, grammars=[grammar] * 4, scores=calls
    )
    assert not calls and all(row[-1] == EOS for row in rows)


@pytest.mark.parametrize("fixed_shape", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_of_a_batch_equal_each_alone(model, fixed_shape, temperature):
    options = dict(max_new_tokens=12, temperature=temperature, fixed_shape=fixed_shape)
    together = model.generate(requests(), seed=[7, 8, 9, 10], **options)
    for row, request in enumerate(requests()):
        alone = model.generate(request, seed=7 + row, **options)
        assert np.array_equal(alone.tokens, together[row].tokens)
        assert alone.text == together[row].text
    again = model.generate(requests(), seed=7, **options)
    assert [a.text for a in again] == [a.text for a in together]


@pytest.mark.parametrize("seed", range(20))
def test_every_answer_parses_whatever_the_weights(seed):
    model = tiny_model(seed)
    grammar = plan_grammar(model.processor.tokenizer)
    for answer in model.generate(requests(), grammar=grammar, temperature=float(seed % 2), seed=seed):
        state = grammar.start()
        for token in [*answer.tokens.tolist(), EOS]:
            state = state.advance(token)
        assert state.done


def test_sampling_follows_the_distribution(model):
    """Frequencies of the first token against the softmax of its logits."""
    request, tokenizer = requests()[1], model.processor.tokenizer
    words = [tokenizer.encode(word)[0] for word in ("red", "blue", "green")]
    grammar = Grammar(choice(*(literal(tokenizer, word) for word in ("red", "blue", "green"))), EOS)
    with torch.inference_mode():
        encoded = model.encode(model.processor([request] * 600))
        logits = scores_without_cache(model, encoded, 0, [words[0]])[0, words]
        expected = (logits.double() / 3).softmax(-1).numpy()
        rows = decode(model, encoded, limit=3, grammars=[grammar] * 600, temperature=3.0, seeds=range(600))
    draws = [row[0] for row in rows]
    found = np.array([draws.count(word) for word in words]) / len(draws)
    assert np.abs(found - expected).max() < 4 * 0.5 / np.sqrt(len(draws))


def saying(model, text):
    """Return a logits processor under which a model says a text, token by token, and ends."""
    ids = torch.tensor([*model.processor.tokenizer.encode(text), EOS])

    def process(scores, tokens):
        at = torch.tensor([min(len(row), len(ids) - 1) for row in tokens])
        return torch.zeros_like(scores).scatter(1, ids[at][:, None], 100.0)

    return process


SAID = [
    ("put the red block", ()),
    ("caf\u00e9 \u6f22\u5b57 \U0001f600 ok", ()),
    ("\U0001f600\U0001f600", ()),
    ("one two three four", (" three",)),
    ("one two three four", ("never", "o t", "w")),
    ("caf\u00e9 and caf\u00e8", ("f\u00e8",)),
    ("caf\u00e9 and caf\u00e8", ("f\u00e9", "and")),
    ("\u6f22\u5b57\u6f22\u6f22", ("\u6f22\u6f22",)),
    ("all of it", ("all",)),
    ("ends as a stop begi", ("begin",)),
    ("", ("x",)),
]


@pytest.mark.parametrize(("text", "stop"), SAID)
def test_streamed_pieces_add_up_to_the_answer(model, text, stop):
    options = dict(logits_processor=saying(model, text), stop=stop)
    answer = model.generate(requests()[0], **options)
    assert answer.text == min((text.partition(end)[0] for end in stop), key=len, default=text)
    pieces = list(model.stream(requests()[0], **options))
    assert "".join(pieces) == answer.text
    assert all(pieces) and not any("\ufffd" in piece for piece in pieces)
    if not stop and len(text) > 3:
        assert len(pieces) > 3, "it comes piece by piece"


@pytest.mark.parametrize("seed", range(4))
def test_streams_of_any_tokens_add_up(seed):
    """Broken characters included: the tiny model says anything."""
    model = tiny_model(seed)
    for stop in ((), ("e",), ("\ufffd", "a")):
        options = dict(temperature=3.0, seed=seed, max_new_tokens=25, stop=stop)
        for request in requests():
            assert "".join(model.stream(request, **options)) == model.generate(request, **options).text


def test_a_stop_text_ends_its_own_row_early(model):
    steps = []
    ids = model.processor.tokenizer.encode("one two three four five")
    answer = model.generate(
        requests()[0],
        logits_processor=saying(model, "one two three four five"),
        stop=("three",),
        progress=lambda done, most: steps.append(done),
    )
    assert answer.text == "one two "
    assert steps[-1] == len(answer.tokens) < len(ids)
    assert model.processor.tokenizer.decode(answer.tokens).endswith("three")


def test_progress_only_grows_and_ends_at_the_longest_answer(model):
    calls = []
    answers = model.generate(requests(), max_new_tokens=11, progress=lambda *call: calls.append(call))
    done, most = zip(*calls, strict=True)
    assert list(done) == sorted(done) and set(most) == {11}
    # The end is a token too, and not one of the answer.
    longest = max(len(answer.tokens) for answer in answers)
    assert done[0] == 0 and longest <= done[-1] <= longest + 1


def test_a_limit_cuts_the_same_answer(model):
    whole = model.generate(requests())
    for limit in (1, 2, 7):
        for answer, longer in zip(model.generate(requests(), max_new_tokens=limit), whole, strict=True):
            assert answer.tokens.tolist() == longer.tokens[:limit].tolist()
    long = model.generate(requests(), max_new_tokens=10_000)
    assert [answer.tokens.tolist() for answer in long] == [answer.tokens.tolist() for answer in whole]
    assert max(len(answer.tokens) for answer in whole) == model.config.text_target_length


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(max_new_tokens=0), "max_new_tokens=0: ask for at least 1"),
        (dict(target="image"), "was not made to write image"),
        (dict(guidance=-1.0), "guidance=-1"),
        (dict(parallel=True, beams=2), "leave out beams"),
        (dict(draft=[[1]]), "pass parallel=True"),
        (dict(parallel=True, draft=[[1], [2]]), "1 requests but 2 drafts"),
        (dict(parallel=True, draft=[5, 2048]), "token 2048: text tokens are below 2048"),
        (dict(parallel=True, draft=[[-1]]), "token -1"),
        (dict(grammar=[None, None]), "1 requests but 2 grammars"),
        (dict(guidance=1.0), "pass negative="),
        (dict(negative=Request("a")), "pass guidance="),
        (dict(guidance=1.0, negative=[Request("a")] * 3), "1 requests but 3 negatives"),
    ],
)
def test_refusals(model, options, message):
    with pytest.raises(RequestError, match=message):
        model.generate(requests()[:1], **options)


def test_beams_are_not_streamed(model):
    with pytest.raises(RequestError, match="beam search knows its answer at the end"):
        next(model.stream(requests()[0], beams=2))


def test_a_model_without_a_processor_says_so():
    model = tiny_model()
    model.processor = None
    with pytest.raises(UIO2Error, match="or set"):
        model.generate(requests()[0])
    with pytest.raises(UIO2Error, match="or set"):
        next(model.stream(requests()[0]))
