"""Packers: every example goes somewhere, once, and no row is over its limits."""

from itertools import combinations, product

import numpy as np
import pytest

from pretrain.errors import TrainingError
from pretrain.packing import BestFitPacker, Limits, PairPacker, least_rows, token_lengths
from tests.uio2_agent.tiny import full_model, full_requests, picture, sound
from uio2_agent.request import Target

PACKERS = {
    "pairs": PairPacker,
    "pairs that wait": lambda limits: PairPacker(limits, pool=3, flush=False),
    "best fit": BestFitPacker,
    "best fit, a small window": lambda limits: BestFitPacker(limits, window=5),
    "best fit that waits": lambda limits: BestFitPacker(limits, window=30, flush=False),
}


def drawn(seed: int) -> tuple[Limits, list[tuple[int, int]]]:
    """Limits and lengths of which some are over them, none on one side, or fill a row exactly."""
    rng = np.random.default_rng(seed)
    limits = Limits(*rng.integers(1, 60, 2).tolist())
    most = (1.3 * np.array([limits.encoder, limits.decoder])).astype(int) + 1
    lengths = (rng.beta(0.8, 2, (rng.integers(0, 150), 2)) * most).astype(int)
    lengths[rng.random(len(lengths)) < 0.1, 1] = 0
    lengths[rng.random(len(lengths)) < 0.05] = limits.encoder, limits.decoder
    return limits, [(encoder, decoder) for encoder, decoder in lengths.tolist()]


@pytest.mark.parametrize("make", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("seed", range(25))
def test_every_example_is_somewhere_once_and_no_row_is_over(make, seed):
    limits, lengths = drawn(seed)
    packer = make(limits)
    packing = packer.pack(lengths)
    placed = [number for row in packing.rows for number in row]
    assert sorted(placed + packing.refused + packing.waiting) == list(range(len(lengths)))
    assert packing.refused == [n for n, length in enumerate(lengths) if not limits.fits(length)]
    assert all(packing.rows)
    for row in packing.rows:
        assert sum(lengths[n][0] for n in row) <= limits.encoder
        assert sum(lengths[n][1] for n in row) <= limits.decoder
    if packer.flush:
        assert not packing.waiting
    assert packer.pack(lengths) == packing, "the same lengths give the same rows"


def test_what_waits_goes_on_with_what_comes():
    limits, lengths = drawn(3)
    packer = BestFitPacker(limits, window=20, flush=False)
    whole = packer.pack(lengths)
    first = packer.pack(lengths[:60])
    later = [*first.waiting, *range(60, len(lengths))]
    second = packer.pack([lengths[n] for n in later])
    assert first.rows + [[later[n] for n in row] for row in second.rows] == whole.rows


def test_more_than_two_share_a_row_and_fill_it():
    lengths = [(int(n), 1) for n in np.random.default_rng(0).integers(40, 400, 2000)]
    pairs, ours = PairPacker(Limits(864, 1280)).pack(lengths), BestFitPacker(Limits(864, 1280)).pack(lengths)
    assert ours.fill(lengths, Limits(864, 1280))[0] > 0.99 > pairs.fill(lengths, Limits(864, 1280))[0]
    assert max(map(len, ours.rows)) > 2


def fewest_rows(lengths: list[tuple[int, int]], limits: Limits) -> int:
    """The fewest rows of all ways to share the examples out, each way tried."""
    fits = {
        members: limits.fits(tuple(sum(lengths[n][side] for n in members) for side in (0, 1)))
        for count in range(1, len(lengths) + 1)
        for members in combinations(range(len(lengths)), count)
    }
    for rows in range(1, len(lengths) + 1):
        for places in product(range(rows), repeat=len(lengths)):
            shared = [tuple(n for n, place in enumerate(places) if place == row) for row in range(rows)]
            if all(not members or fits[members] for members in shared):
                return rows
    raise AssertionError("an example is longer than a row")


@pytest.mark.parametrize("seed", range(30))
def test_no_way_to_share_rows_needs_fewer_than_the_bound(seed):
    rng = np.random.default_rng(seed)
    limits = Limits(12, 15)
    lengths = [(encoder, decoder) for encoder, decoder in rng.integers(1, [13, 16], (6, 2)).tolist()]
    fewest = fewest_rows(lengths, limits)
    assert least_rows(lengths, limits) <= fewest <= len(BestFitPacker(limits).pack(lengths).rows)


def test_the_bound_is_met_where_long_ones_keep_each_other_out():
    limits = Limits(864, 1280)
    long, middle = [(513, 100)] * 10, [(360, 100)] * 10  # 513 and 360 do not share a row, two of 360 do
    assert least_rows(long + middle, limits) == 15 == len(BestFitPacker(limits).pack(long + middle).rows)
    assert sum(encoder for encoder, _ in long + middle) / 864 < 11, "room is not what is lacking"


def test_rows_of_mixed_lengths_come_close_to_what_is_possible():
    rng = np.random.default_rng(1)
    kinds = np.array([(513, 100), (513, 512), (290, 30), (20, 1024), (290, 800), (330, 512), (160, 200)])
    drawn = kinds[rng.integers(0, 7, 600)] - rng.integers(0, 20, (600, 2))
    lengths = [tuple(row) for row in drawn.tolist()]
    for limits, slack in ((Limits(864, 1280), 1.08), (Limits(1728, 3072), 1.03)):
        rows = BestFitPacker(limits).pack(lengths).rows
        assert len(rows) <= slack * least_rows(lengths, limits)


@pytest.mark.parametrize("make", [BestFitPacker, lambda limits: BestFitPacker(limits, window=32)])
def test_nothing_is_put_off_for_ever(make):
    odd = [(863, 1)] + [(432, 640)] * 3000  # nothing shares a row with the first, and full rows abound
    rows = make(Limits(864, 1280)).pack(odd).rows
    assert next(place for place, row in enumerate(rows) if 0 in row) == 0


def test_lengths_are_those_of_the_rows_of_the_model():
    model = full_model()
    targets = [Target(text="a bowl"), Target(image=picture(7)), Target(audio=sound(8, (24, 16)))]
    batch = model.processor(full_requests(), [*targets, *targets])
    lengths = token_lengths(batch, model.config)
    encoded = model.encode(batch, [[n] for n in range(6)])
    assert [encoder for encoder, _ in lengths] == encoded.mask.sum(1).tolist()
    output = model(batch, rows=[[n] for n in range(6)])
    assert sum(decoder for _, decoder in lengths) == sum(int(mask.sum()) for mask in output.masks.values())


@pytest.mark.parametrize(
    "make", [lambda: Limits(0, 5), lambda: PairPacker(pool=0), lambda: BestFitPacker(window=0)]
)
def test_what_can_hold_nothing_is_refused(make):
    with pytest.raises(TrainingError):
        make()
