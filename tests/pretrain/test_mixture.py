"""A mixture follows its rates and limits, gives an example once an epoch, and depends on the number alone."""

from collections import Counter

import numpy as np
import pytest

from pretrain.mixture import Limit, Mixture
from pretrain.mixture_table import packaged_tables, read_table
from pretrain.sources.schema import DatasetError

DRAWS = 100_000


def draws(mixture, count, first=0):
    return [mixture.draw(number) for number in range(first, first + count)]


@pytest.mark.parametrize("name", packaged_tables())
def test_a_hundred_thousand_draws_follow_the_papers_table(name):
    table = read_table(name)
    mixture = Mixture(dict.fromkeys(table.sets, 10**6), table.rates(), seed=1)
    # a stretch that begins nowhere in particular; every third number, so that no cycle comes out whole
    numbers = range(987_654_321, 987_654_321 + 3 * DRAWS, 3)
    found = Counter(mixture.draw(number).source for number in numbers)
    printed = {key: entry.rate / 100 for key, entry in table.sets.items()}
    for key, rate in printed.items():
        # as printed, with two or three digits, so half a digit off at most, besides three sigmas
        digit = 0.0005 if rate >= 0.1 else 0.00005
        assert abs(found[key] / DRAWS - rate) <= 3 * np.sqrt(rate * (1 - rate) / DRAWS) + digit, key
    for group, entry in table.groups.items():
        rate = entry.rate / 100
        count = sum(found[key] for key, one in table.sets.items() if one.group == group)
        assert abs(count / DRAWS - rate) <= 3 * np.sqrt(rate * (1 - rate) / DRAWS) + 0.0005, group


def test_the_papers_tables_add_up():
    pretraining, tuning = read_table("pretraining"), read_table("instruction_tuning")
    assert sum(group.rate for group in pretraining.groups.values()) == pytest.approx(100)
    assert sum(group.rate for group in tuning.groups.values()) == pytest.approx(100, abs=0.1)
    assert sum(entry.datasets for entry in tuning.sets.values()) == 227
    for table in (pretraining, tuning):
        assert sum(table.rates().values()) == pytest.approx(1)
        for group, entry in table.groups.items():
            sets = [one for one in table.sets.values() if one.group == group]
            assert sum(one.rate for one in sets) == pytest.approx(entry.rate, rel=0.04)
            assert sum(one.size or 0 for one in sets) == pytest.approx(entry.size, rel=0.03)
            if entry.datasets:
                assert sum(one.datasets for one in sets) == entry.datasets


def test_a_table_whose_sums_do_not_fit_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("groups: {a: {rate: 100}}\nsets: {x: {group: a, rate: 60}, y: {group: a, rate: 30}}\n")
    with pytest.raises(DatasetError, match="the rates of the sets of a add up to 90, not 100"):
        read_table(path)
    path.write_text("groups: {a: {rate: 100}}\nsets: {x: {group: b, rate: 100}}\n")
    with pytest.raises(DatasetError, match="set x is of group 'b', of which there is none"):
        read_table(path)
    with pytest.raises(DatasetError, match="did you mean 'pretraining'"):
        read_table("pretrainin")


def test_an_epoch_has_every_example_once_and_each_its_own_order():
    mixture = Mixture({"a": 50, "b": 7}, {"a": 0.6, "b": 0.4}, seed=3)
    by_epoch = {}
    for drawn in draws(mixture, 5000):
        by_epoch.setdefault((drawn.source, drawn.epoch), []).append(drawn.index)
    for (name, epoch), indices in by_epoch.items():
        assert len(set(indices)) == len(indices)
        if epoch < 50:
            assert sorted(indices) == list(range(mixture.lengths[name]))
    assert len({tuple(by_epoch["a", epoch]) for epoch in range(10)}) == 10
    epochs = [drawn.epoch for drawn in draws(mixture, 5000) if drawn.source == "b"]
    assert epochs == sorted(epochs)  # none begins before the last has ended


def test_the_order_is_the_numbers_and_the_seeds_alone():
    lengths, rates = {"a": 1000, "b": 100}, {"a": 3, "b": 1}
    one, two = Mixture(lengths, rates, seed=5), Mixture(lengths, rates, seed=5)
    numbers = np.random.default_rng(0).permutation(3000).tolist()
    assert {n: one.draw(n) for n in numbers} == dict(enumerate(draws(two, 3000)))
    other = Mixture(lengths, rates, seed=6)
    assert draws(other, 100) != draws(two, 100)
    assert one.draw(10**14) == two.draw(10**14)


def test_a_subset_is_renormalised_and_temperature_makes_even():
    table = read_table("pretraining")
    lengths = {"procthor": 10, "objaverse": 10}
    mixture = Mixture(lengths, table.rates(), seed=0)
    assert mixture.rates["procthor"] == pytest.approx(
        0.17 * 0.33 / 0.34 / (0.17 * 0.33 / 0.34 + 0.33 * 0.67 / 0.66)
    )
    rates = {"a": 0.81, "b": 0.01, "c": 0.18}
    for temperature, wanted in ((1, 0.81), (2, 0.9 / (0.9 + 0.1 + 0.18**0.5)), (1e9, 1 / 3)):
        even = Mixture(dict.fromkeys(rates, 10), rates, 0, temperature)
        assert even.rates["a"] == pytest.approx(wanted)
        assert sum(even.rates.values()) == pytest.approx(1)


def test_several_sources_of_one_set_share_its_rate_by_roots():
    table = read_table("instruction_tuning")
    rates = table.rates_of({"x": "goal_image", "y": "goal_image", "z": "depth"}, {"x": 100, "y": 900, "z": 5})
    assert rates["y"] == pytest.approx(3 * rates["x"])
    assert rates["x"] + rates["y"] == pytest.approx(table.rates()["goal_image"])
    with pytest.raises(DatasetError, match="did you mean 'goal_image'"):
        table.rates_of({"x": "goal_images"}, {"x": 1})


def test_limits_are_met_to_the_example_and_the_others_take_over():
    lengths = {"big": 10**6, "few": 40, "once": 333, "none": 5}
    limits = {"few": Limit(epochs=2.5), "once": Limit(epochs=1), "none": Limit(examples=3, epochs=1)}
    mixture = Mixture(lengths, {"big": 70, "few": 10, "once": 19.9, "none": 0.1}, seed=9, limits=limits)
    found = draws(mixture, 20_000)
    counts = Counter(drawn.source for drawn in found)
    assert (counts["few"], counts["once"], counts["none"]) == (100, 333, 3)
    assert len({drawn.index for drawn in found if drawn.source == "once"}) == 333
    last = max(number for number, drawn in enumerate(found) if drawn.source == "few")
    early = Counter(drawn.source for drawn in found[: last + 1])
    assert early["few"] / (last + 1) == pytest.approx(0.1, abs=0.005)
    assert all(drawn.source == "big" for drawn in found[-10_000:])
    assert mixture.length is None


def test_a_mixture_of_limited_sources_alone_has_an_end():
    mixture = Mixture(
        {"a": 3000, "b": 10}, {"a": 2, "b": 1}, 0, limits={"a": Limit(2500), "b": Limit(epochs=3)}
    )
    assert mixture.length == 2530
    assert Counter(d.source for d in draws(mixture, 2530)) == {"a": 2500, "b": 30}
    with pytest.raises(IndexError, match="its limits end after 2530"):
        mixture.draw(2530)


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_conserved_whatever_the_rates_and_limits(seed):
    rng = np.random.default_rng(seed)
    names = [f"s{number}" for number in range(rng.integers(1, 8))]
    lengths = {name: int(rng.integers(1, 300)) for name in names}
    rates = {name: float(10 ** rng.uniform(-2, 0)) for name in names}
    limits = {name: Limit(examples=int(rng.integers(1, 900))) for name in names if rng.random() < 0.7}
    mixture = Mixture(lengths, rates, seed, limits=limits)
    count = min(mixture.length or 3000, 3000)
    found = draws(mixture, count)
    seen = {}
    for drawn in found:
        assert drawn.index not in seen.setdefault((drawn.source, drawn.epoch), set())
        seen[drawn.source, drawn.epoch].add(drawn.index)
    for name, limit in limits.items():
        assert sum(drawn.source == name for drawn in found) <= limit.examples
    if mixture.length == count:
        assert Counter(drawn.source for drawn in found) == {name: limits[name].examples for name in names}


def test_what_makes_no_mixture_is_refused():
    with pytest.raises(DatasetError, match="no source has a rate"):
        Mixture({"a": 1}, {"b": 1}, 0)
    with pytest.raises(DatasetError, match="the rate of a is 0"):
        Mixture({"a": 1}, {"a": 0}, 0)
    with pytest.raises(DatasetError, match="source a holds no examples"):
        Mixture({"a": 0}, {"a": 1}, 0)
    with pytest.raises(DatasetError, match="temperature"):
        Mixture({"a": 1}, {"a": 1}, 0, temperature=0)
    with pytest.raises(DatasetError, match="a limit for 'b', which is no source"):
        Mixture({"a": 1}, {"a": 1}, 0, limits={"b": Limit(1)})
