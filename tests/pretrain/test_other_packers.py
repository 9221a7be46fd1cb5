"""The packers of other projects, as restated for comparison, do what the packages' own do on one length."""

import warnings

import numpy as np
import pytest

from benchmarks.other_packers import BestFitDecreasing, OlmoCore, ScanAndPick, Torchtitan
from pretrain.packing import Limits

LIMITS = Limits(64, 1)


def alone(seed, count=600):
    """Lengths up to a little more than a row, of one side; half are of few values, so that rows fill up."""
    rng = np.random.default_rng(seed)
    return [(int(n) * (8 if rng.random() < 0.5 else 1), 0) for n in rng.integers(1, 9, count)] + [(65, 0)]


def real(packer):
    try:
        with warnings.catch_warnings(action="ignore"):  # of what else they import
            return packer(LIMITS)
    except ImportError as error:
        pytest.skip(f"{packer.__name__} cannot be had: {error}")


@pytest.mark.parametrize("seed", range(3))
def test_torchtitan(seed):
    lengths = alone(seed)
    theirs, ours = real(Torchtitan).pack(lengths), ScanAndPick(LIMITS).pack(lengths)
    assert theirs.rows == ours.rows and theirs.refused == ours.refused == [600]


@pytest.mark.parametrize("seed", range(3))
def test_olmo_core(seed):
    lengths = alone(seed)
    theirs, ours = real(OlmoCore).pack(lengths), BestFitDecreasing(LIMITS).pack(lengths)
    filled = [sorted(sum(lengths[n][0] for n in row) for row in packing.rows) for packing in (theirs, ours)]
    assert filled[0] == filled[1]  # which of rows with the same room takes an example is open
    assert sorted(n for row in theirs.rows for n in row) == list(range(600))
    assert theirs.refused == ours.refused == [600]


@pytest.mark.parametrize("packer", [ScanAndPick, BestFitDecreasing])
def test_both_sides_fit(packer):
    rng = np.random.default_rng(0)
    lengths, limits = rng.integers(1, 40, (500, 2)).tolist(), Limits(64, 50)
    packing = packer(limits).pack(lengths)
    assert sorted(number for row in packing.rows for number in row) == list(range(500))
    for row in packing.rows:
        assert limits.fits(tuple(np.sum([lengths[number] for number in row], 0)))
