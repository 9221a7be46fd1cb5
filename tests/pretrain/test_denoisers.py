"""Denoisers: what is cut can be put back, counts follow the rule, draws follow the rates (10^5 draws)."""

from collections import Counter

import numpy as np
import pytest

from pretrain.denoisers.objectives import UL2, TextMixture, TextObjective
from pretrain.denoisers.patches import AUDIO, CROSS_VIEW, IMAGE, PatchMasking
from pretrain.denoisers.spans import corrupt, draw_noise, span_counts, span_lengths
from pretrain.errors import TrainingError
from uio2_agent.errors import UIO2Error
from uio2_agent.fields import build
from uio2_agent.text.vocabulary import SENTINELS, Vocabulary

FIRST = Vocabulary(32_000).extra_id(0)
DRAWS = 100_000
SPANS = [objective for objective in UL2 if objective.paradigm != "S"]
LONGEST = {one.name: span_lengths(512, one.density, one.mean_span)[0] for one in SPANS}


def spliced(inputs: np.ndarray, target: np.ndarray) -> list[int]:
    """Put the runs of a target back where their sentinels stand in the input, token by token."""
    runs: dict[int, list[int]] = {}
    for token in target.tolist():
        if FIRST - SENTINELS < token <= FIRST:
            run = runs.setdefault(token, [])
        else:
            run.append(token)
    return [part for token in inputs.tolist() for part in runs.get(token, [token])]


def test_the_raw_length_of_each_objective():
    """The published table: tokens cut from a document for an input of 512, and the target's length."""
    lengths = {
        objective.name: span_lengths(512, objective.density, objective.mean_span) for objective in SPANS
    }
    assert lengths == {
        "R1": (568, 114),
        "R2": (588, 100),
        "X1": (766, 512),
        "X2": (908, 512),
        "X3": (600, 92),
        "X4": (1006, 512),
    }


def test_what_is_cut_can_be_put_back():
    rng = np.random.default_rng(0)
    for number in range(10_000):
        objective = SPANS[rng.integers(len(SPANS))]
        length = int(rng.integers(2, 40 if number % 20 else LONGEST[objective.name] + 1))
        tokens = rng.integers(3, 32_000, length)
        noise = draw_noise(length, objective.density, objective.mean_span, rng)
        inputs, target = corrupt(tokens, noise, FIRST)
        assert spliced(inputs, target) == tokens.tolist()
        assert not noise[0] and noise[-1]
        spans = len(inputs) - (length - noise.sum())
        assert (noise.sum(), spans) == span_counts(length, objective.density, objective.mean_span)
        for part in (inputs, target):
            assert part[part >= 32_000].tolist() == [FIRST - k for k in range(spans)] and spans <= SENTINELS


def test_every_way_to_cut_is_equally_likely():
    """8 tokens, 4 of them cut in 2 runs: 3 x 3 ways."""
    rng = np.random.default_rng(1)
    counts = Counter(draw_noise(8, 0.5, 2, rng).tobytes() for _ in range(9_000))
    assert len(counts) == 9
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 26.1, (
        "chi squared, 8 degrees, 0.1 %"
    )


def test_short_texts_get_fewer_spans_or_are_refused():
    assert span_counts(3, 0.9, 1) == (2, 1)
    assert draw_noise(2, 0.5, 64, np.random.default_rng(0)).tolist() == [False, True]
    with pytest.raises(TrainingError, match="1 tokens cannot be corrupted"):
        span_counts(1, 0.15, 3)


def test_objectives_are_drawn_at_their_rates():
    mixture, rng = TextMixture(), np.random.default_rng(2)
    counts = Counter(mixture.draw(rng).name for _ in range(DRAWS))
    for objective in UL2:
        expected = DRAWS * objective.share
        assert abs(counts[objective.name] - expected) < 3 * np.sqrt(expected * (1 - objective.share))
    assert sum(objective.share for objective in UL2) == pytest.approx(1)
    some = Counter(mixture.draw(rng, ("R", "X")).paradigm for _ in range(DRAWS))
    assert abs(some["R"] - DRAWS / 2) < 3 * np.sqrt(DRAWS / 4) and set(some) == {"R", "X"}


@pytest.mark.parametrize("objective", SPANS, ids=lambda objective: objective.name)
def test_density_follows_the_objective(objective):
    """Over texts of 20 tokens and more, to 1 %."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(20, LONGEST[objective.name] + 1, 500).tolist()
    cut = sum(draw_noise(length, objective.density, objective.mean_span, rng).sum() for length in lengths)
    assert cut / sum(lengths) == pytest.approx(objective.density, rel=0.01)


def test_mixtures_are_configuration():
    plain = {"objectives": [{"name": "mine", "paradigm": "R", "share": 2, "density": 0.3, "mean_span": 5}]}
    mixture = build(TextMixture, plain)
    assert mixture.draw(np.random.default_rng(0)) == TextObjective("mine", "R", 2.0, 0.3, 5.0)
    with pytest.raises(UIO2Error, match="no objective of X has a share"):
        mixture.draw(np.random.default_rng(0), ("X",))
    for wrong, match in (
        ({"objectives": []}, "a list of 1 to 100 items"),
        ({"objectives": plain["objectives"] * 2}, "more than once"),
        ({"objectives": [{**plain["objectives"][0], "share": 0}]}, "share 0"),
        ({"objectives": [{**plain["objectives"][0], "paradigm": "Z"}]}, "one of 'R', 'S', 'X'"),
    ):
        with pytest.raises(UIO2Error, match=match):
            build(TextMixture, wrong)


@pytest.mark.parametrize(
    ("masking", "grid", "shown"),
    [
        (IMAGE, (24, 24), 144),
        (AUDIO, (16, 8), 25),
        (CROSS_VIEW, (24, 24), 57),
        (PatchMasking(share=0.5), (3, 3), 4),
    ],
)
@pytest.mark.parametrize("kind", ["random", "prefix"])
def test_patches_are_hidden_in_the_share_asked_for(masking, grid, shown, kind):
    masking = PatchMasking(share=masking.share, kind=kind)
    rng = np.random.default_rng(4)
    drawn = np.stack([masking.draw(grid, rng) for _ in range(400)])
    assert drawn.shape[1:] == grid and ((~drawn).sum((1, 2)) == shown).all()
    if kind == "prefix":
        assert (np.flatnonzero(~drawn[0]) == np.arange(shown)).all() and (drawn == drawn[0]).all()
    else:
        share = drawn.mean(0)
        rate = 1 - shown / (grid[0] * grid[1])
        assert np.abs(share - rate).max() < 4.5 * np.sqrt(rate * (1 - rate) / 400)


def test_shares_of_patches_are_drawn_uniformly():
    masking = PatchMasking(share=0.5, most=0.9)
    rng = np.random.default_rng(5)
    shares = np.sort([masking.draw((24, 24), rng).mean() for _ in range(2_000)])
    assert shares[0] >= 0.5 and shares[-1] <= 0.9 + 1 / 576
    even = np.linspace(0.5, 0.9, 2_000)
    assert np.abs(shares - even).max() < 0.4 * 1.63 / np.sqrt(2_000) + 1 / 576, "Kolmogorov, 1 %"
    with pytest.raises(UIO2Error, match="it is below share"):
        PatchMasking(share=0.5, most=0.4)
    assert PatchMasking(share=1).draw((2, 2), rng).sum() == 3
    assert PatchMasking(share=0).draw((2, 2), rng).sum() == 1
