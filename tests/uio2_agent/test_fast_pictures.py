"""Pictures in fewer calls: guesses that change calls only; the locality schedule, which changes answers."""

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch

from tests.uio2_agent.scripted import EOS, START, TOKENS, Scripted, scores
from tests.uio2_agent.tiny import RANDOM_ENDS, full_model, full_requests
from uio2_agent.errors import RequestError
from uio2_agent.generation.decoding import decode
from uio2_agent.generation.guessing import WIDEST, Window
from uio2_agent.generation.locality import draw_rows
from uio2_agent.generation.sampling import Chance, Sampling
from uio2_agent.generation.stepping import Stepper
from uio2_agent.network.layers import attention_bias
from uio2_agent.network.masks import target_masks
from uio2_agent.network.positions import rotary_pair

pytestmark = RANDOM_ENDS

GRIDS = {"image": (8, 6), "audio": (6, 4)}
DRAWN = Sampling(temperature=0.8, top_p=0.9, top_k=9)


def smooth(seed, prefix):
    """Scores that favour the last token, as in a picture: some guesses come true."""
    line = scores(seed, prefix[-2:] + [len(prefix)])
    line[prefix[-1]] += 4.0
    return line


def tokens_of(rows):
    return [row.tokens for row in rows]


def guessed(seeds, scores, sampling, guess=True, limit=40):
    decoder = Scripted(seeds, scores)
    windows = [Window(5) for _ in seeds] if guess else None
    *_, rows = decode(decoder, limit=limit, end=None, sampling=sampling, seeds=seeds, windows=windows)
    return tokens_of(rows), decoder.calls


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(1.0), DRAWN], ids=["greedy", "drawn", "nucleus"])
def test_guesses_change_calls_only(sampling):
    plain, calls = guessed([3, 4, 5], smooth, sampling, guess=False)
    found, fewer = guessed([3, 4, 5], smooth, sampling)
    assert found == plain and calls == 40 and fewer <= calls
    alone = [guessed([seed], smooth, sampling) for seed in (3, 4, 5)]
    assert [tokens for (tokens,), _ in alone] == plain
    assert sum(calls for _, calls in alone) < 100, "120 without guesses"


def test_noise_of_its_own_in_each_call_would_not_do(monkeypatch):
    """The negative control: what makes drawn answers the same is that noise belongs to the place."""
    plain, _ = guessed([3, 4, 5], smooth, Sampling(1.0), guess=False)
    fresh = itertools.count()
    monkeypatch.setattr(Chance, "line", lambda _, ahead, size: _noise(next(fresh), size))
    assert guessed([3, 4, 5], smooth, Sampling(1.0))[0] != plain


def _noise(seed, size):
    return torch.from_numpy(np.random.default_rng(seed).exponential(size=size))


def test_answers_have_the_distribution_of_one_token_at_a_time():
    """All 256 pictures of 2 x 2 tokens are enumerated; the locality schedule is the negative control."""
    allowed = torch.arange(TOKENS) < 5
    allowed[START] = False  # 1 to 4
    sampling = Sampling(temperature=0.9, top_k=3)

    known = cache(lambda prefix: 2 * scores(0, list(prefix)))

    def table(seed, prefix):
        return known(tuple(prefix))

    def chances(prefix):
        line = torch.from_numpy(known((START, *prefix)))[None].masked_fill(~allowed, -torch.inf)
        return sampling.probabilities(line)[0].numpy()

    expected = {}
    for picture in itertools.product(range(1, 5), repeat=4):
        expected[picture] = np.prod([chances(picture[:n])[picture[n]] for n in range(4)])
    assert sum(expected.values()) == pytest.approx(1)
    seeds = list(range(1000))
    *_, plain = decode(
        Scripted(seeds, table), limit=4, end=None, sampling=sampling, seeds=seeds, allowed=allowed,
        windows=[Window(2) for _ in seeds],
    )  # fmt: skip
    options = dict(grid=(2, 2), end=-2, sampling=sampling, seeds=seeds, allowed=allowed)
    *_, near = draw_rows(Scripted(seeds, table), lead=1, **options)
    assert _misfit(tokens_of(plain), expected) < 4.5 < 20 < _misfit(tokens_of(near), expected)


def _misfit(pictures, expected):
    """Pearson's statistic over pictures of at least 5 expected, in its standard deviations over its mean."""
    counts = Counter(map(tuple, pictures))
    if any(expected[picture] == 0 for picture in counts):
        return np.inf
    common = {picture: len(pictures) * p for picture, p in expected.items() if len(pictures) * p >= 5}
    rest = len(pictures) - sum(common.values()), len(pictures) - sum(counts[p] for p in common)
    terms = [(counts[picture] - n) ** 2 / n for picture, n in common.items()]
    terms += [(rest[1] - rest[0]) ** 2 / rest[0]] if rest[0] > 0 else []
    freedom = len(terms) - 1
    return (sum(terms) - freedom) / np.sqrt(2 * freedom)


def test_a_window_guesses_neighbours_and_follows_what_comes_true():
    window = Window(3)
    assert window.filled([], []) == []
    tokens = [5, 6]
    for _ in range(8):
        tokens += [5, 6, 7, 8, 9]
        guess = window.filled(tokens, [])
    assert guess[:4] == [*tokens[-3:], tokens[-3]] and 15 <= len(guess) <= 20
    assert window.filled(tokens, [1] * 40) == [1] * len(guess)
    for _ in range(30):
        tokens += [5] * 40
        wide = window.filled(tokens, [])
    assert len(wide) == WIDEST
    for _ in range(30):
        tokens += [5]
        narrow = window.filled(tokens, [])
    assert len(narrow) <= 5


@pytest.fixture(scope="module")
def models():
    return {sparse: full_model(3, sparse_patterns=sparse) for sparse in (False, True)}


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of the decoder."""
    counted = []
    once = Stepper.__call__
    monkeypatch.setattr(Stepper, "__call__", lambda self, *fed: counted.append(1) or once(self, *fed))
    return counted


@pytest.mark.parametrize(
    ("target", "sparse", "options"),
    [
        ("image", False, {}),
        ("image", True, dict(temperature=0.3)),
        ("audio", False, dict(temperature=1.0, guidance=2.0)),
    ],
)
def test_parallel_pictures_of_a_model_are_the_same(models, calls, target, sparse, options):
    asked, model = full_requests()[:2], models[sparse]
    plain = model.generate(asked, target, seed=7, **options)
    slow = len(calls)
    found = model.generate(asked, target, seed=7, parallel=True, **options)
    assert [a.tokens.tolist() for a in found] == [a.tokens.tolist() for a in plain]
    assert len(calls) - slow <= slow
    calls.clear()
    drafts = [answer.tokens.tolist() for answer in plain]
    again = model.generate(asked, target, seed=7, parallel=True, draft=drafts, **options)
    assert [a.tokens.tolist() for a in again] == drafts and len(calls) == 1


def test_drawn_text_is_the_same_with_drafts(models):
    options = dict(temperature=1.0, seed=3, max_new_tokens=12)
    plain = [answer.tokens.tolist() for answer in models[False].generate(full_requests()[:3], **options)]
    for draft in (plain, plain[::-1], [line[:4] for line in plain]):
        found = models[False].generate(full_requests()[:3], parallel=True, draft=draft, **options)
        assert [answer.tokens.tolist() for answer in found] == plain


@pytest.mark.parametrize(
    ("target", "sparse", "options"),
    [("image", True, dict(temperature=1.0, seed=5)), ("audio", False, dict(guidance=2.0))],
)
def test_a_lead_of_a_whole_row_is_the_exact_order(models, target, sparse, options):
    asked, (_, columns) = full_requests()[:2], GRIDS[target]
    plain = models[sparse].generate(asked, target, **options)
    found = models[sparse].generate(asked, target, locality=columns, **options)
    assert [a.tokens.tolist() for a in found] == [a.tokens.tolist() for a in plain]


def events_of(tokens, rows, columns, lead):
    """Return (call, place, token fed) of a picture, worked out from what the schedule promises."""
    call_of = {(r, c): r * lead + c for r in range(rows) for c in range(columns)}
    events = []
    for (r, c), call in call_of.items():
        place = r * columns + c
        fed = START if place == 0 else tokens[place - 1]
        if c == 0 and r > 0 and lead < columns:
            events.append((call, place, tokens[(r - 1) * columns + lead - 1]))
            call = call_of[r - 1, columns - 1] + 1  # and again once the last token is there
        events.append((call, place, fed))
    return sorted(events)


@pytest.mark.parametrize(
    ("target", "sparse", "lead"),
    [("image", True, 2), ("image", False, 1), ("audio", True, 3), ("audio", False, 1)],
)
@torch.inference_mode()
def test_rows_side_by_side_see_what_is_there(models, calls, target, sparse, lead):
    """Against a single pass over everything that was fed, each seeing the newest of what came before it."""
    model, (rows, columns) = models[sparse], GRIDS[target]
    asked = full_requests()[0]
    answer = model.generate(asked, target, locality=lead).tokens
    short = answer.tolist().index(EOS) if EOS in answer else len(answer)
    assert len(calls) == (rows - 1) * lead + columns or short < len(answer)
    events = events_of(answer.tolist(), rows, columns, lead)
    call, place, token = (torch.tensor(column) for column in zip(*events, strict=True))
    sees = (call <= call[:, None]) & (place <= place[:, None])
    newer = (place == place[:, None]) & (call > call[:, None])  # [old, new]
    outdated = (newer[None] & (call[None] <= call[:, None])[:, None]).any(2)  # [query, old]
    masks = [
        mask[place][:, place] & sees & ~outdated
        for mask in target_masks(model.config, (rows, columns), rows * columns, model.device)
    ]
    encoded = model.encode(model.processor([asked], target=target))
    embedder = model.targets[target]
    embed, turns = embedder.embed(token[None], place[None], model.table(target))
    cross = model.decoder.cross(encoded.hidden, encoded.rotary)
    biases = [attention_bias(mask, embed.dtype) for mask in masks]
    crossing = attention_bias(encoded.mask[:, None, None], embed.dtype)
    hidden = model.decoder(embed, biases, rotary_pair(turns), cross, crossing)
    codes = embedder.tokenizer.config.codes
    logits = model.logits(hidden, target)[0, :, 1 : 2 + codes]
    first = [events.index(next(e for e in events if e[1] == p)) for p in range(rows * columns)]
    chosen = logits[first][torch.arange(len(answer)), torch.from_numpy(answer) - 1]
    assert (logits[first].amax(-1) - chosen)[:short].max() < 1e-4


def test_a_picture_ends_where_its_end_is_drawn():
    """Rows above go on; what is below is dropped."""
    grid, place_of_end = (4, 5), {1: 7, 2: 99, 3: 0}

    # Each token says its place: the scores favour 2, 3, ... in the raster.
    def counting(seed, prefix):
        line = np.full(40, -9.0)
        line[len(prefix) + 1] = 5
        line[EOS] = 9 if len(prefix) - 1 == place_of_end[seed] else -9
        return line

    class Wide(Scripted):
        def logits(self, hidden):
            prefixes = [self._prefixes[int(index)] for index in hidden.flatten()]
            lines = [self._scores(self._seeds[row], prefix) for row, *prefix in prefixes]
            return torch.from_numpy(np.array(lines)).view(*hidden.shape[:-1], 40)

    options = dict(sampling=Sampling(), seeds=[1, 2, 3], allowed=torch.arange(40) > 0, end=EOS)
    *_, whole = draw_rows(Wide([1, 2, 3], counting), grid=grid, lead=5, **options)
    assert tokens_of(whole) == [[*range(2, 9), EOS], list(range(2, 22)), [EOS]]
    assert all(row.done for row in whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(locality=-1), "0 is off"),
        (dict(locality=7, target="image"), "at most 6, the tokens of a row"),
        (dict(locality=2, target="text"), "locality=2 for text: it is for pictures and sounds"),
        (dict(locality=2, target="image", parallel=True), "locality takes no parallel"),
        (dict(locality=2, target="image", compiled=True), "locality takes no compiled"),
        (
            dict(locality=2, target="image", logits_processor=lambda line, _: line),
            "takes no logits_processor",
        ),
    ],
)
def test_refusals(models, options, message):
    with pytest.raises(RequestError, match=message):
        models[False].generate(full_requests()[0], **options)
