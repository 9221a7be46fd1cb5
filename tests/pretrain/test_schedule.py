"""The learning rate: every shape against numbers worked out here, and what a phase changes."""

import itertools
import math

import pytest

from pretrain.schedule import SHAPES, Schedule
from uio2_agent.errors import UIO2Error


def rates(**settings) -> list[float]:
    schedule = Schedule(**{"peak": 2.0, "steps": 100, "warmup": 10, **settings})
    return [schedule.rate(step) for step in range(schedule.steps)]


def test_wsd_rises_holds_and_falls_to_nothing() -> None:
    found = rates()
    assert found[0] == pytest.approx(0.2)
    assert set(found[10:70]) == {2.0}
    assert all(a > b for a, b in itertools.pairwise(found[70:]))
    assert 0 < found[-1] < 0.1


def test_what_comes_before_the_decay_is_the_same_for_any_number_of_steps() -> None:
    assert rates(steps=1000)[:70] == rates()[:70]


def test_the_other_shapes() -> None:
    assert set(rates(shape="constant")[10:]) == {2.0}
    assert rates(shape="linear")[50] == pytest.approx(1.0)
    falling = rates(shape="inverse_sqrt")
    assert falling[9] == 2.0 and falling[39] == pytest.approx(2.0 * math.sqrt(10 / 40))


@pytest.mark.parametrize("shape", SHAPES)
def test_each_phase_warms_up_anew(shape: str) -> None:
    one, two = rates(shape=shape), rates(shape=shape, phases=(0, 40))
    assert two[:40] == one[:40] and two[50:] == one[50:]
    assert two[40] == pytest.approx(one[40] / 10) and two[44] == pytest.approx(one[44] / 2)


@pytest.mark.parametrize(
    "wrong", [{"shape": "cosine"}, {"steps": 0}, {"decay_share": 2.0}, {"warmup": -1}, {"peak": -1.0}]
)
def test_nonsense_is_refused(wrong: dict) -> None:
    with pytest.raises(UIO2Error, match=r"schedule.*(cosine|steps=0|decay_share=2.0|warmup=-1|rate -1.0)"):
        rates(**wrong)
