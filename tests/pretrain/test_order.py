"""Orders are permutations, look drawn, and are functions of their key alone."""

from collections import Counter

import numpy as np
import pytest

from pretrain.order import Permutation, permutation, scattered, share, step_numbers


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 5000])
def test_every_number_stands_in_one_place(size):
    order = Permutation(size, key=size)
    assert sorted(order(place) for place in range(size)) == list(range(size))


def test_small_orders_are_all_about_as_likely():
    found = Counter(tuple(Permutation(4, key)(place) for place in range(4)) for key in range(1200))
    assert len(found) == 24
    assert sum((count - 50) ** 2 / 50 for count in found.values()) < 55  # chi-square, 23 degrees: p < 1e-4


def test_neighbours_do_not_stay_neighbours_and_keys_share_nothing():
    size = 2000
    orders = [np.array([Permutation(size, key)(place) for place in range(size)]) for key in (1, 2)]
    for order in orders:
        assert abs(np.corrcoef(np.arange(size), order)[0, 1]) < 0.1
        assert (np.abs(np.diff(order)) == 1).mean() < 0.005
        low, high = np.percentile(order[:200], (25, 75))  # a prefix is a sample of the whole
        assert 0.15 * size < low < 0.35 * size and 0.65 * size < high < 0.85 * size
    assert (orders[0] == orders[1]).mean() < 0.005


def test_a_far_place_costs_what_a_near_one_does():
    order = permutation(10**15, "epoch", 7)
    found = {order(place) for place in range(10**15 - 100, 10**15)}
    assert len(found) == 100
    assert all(0 <= number < 10**15 for number in found)
    assert order(3) == permutation(10**15, "epoch", 7)(3) != permutation(10**15, "epoch", 8)(3)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_a_steps_batch(processes):
    numbers = [list(share(step_numbers(5, 8), process, processes)) for process in range(processes)]
    assert sorted(number for part in numbers for number in part) == list(range(40, 48))
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1


def test_a_whole_order_has_every_number_and_belongs_to_its_key():
    one, other = scattered(1000, "a", 1), scattered(1000, "a", 2)
    assert sorted(one.tolist()) == list(range(1000))
    assert (one == other).mean() < 0.02
    assert abs(np.corrcoef(np.arange(1000), one)[0, 1]) < 0.1
