"""Things come to rest where and as high as they do upstream."""

import numpy as np
import pytest

from tests import vima_rest
from tests.envs.vima_records import episodes

pytestmark = pytest.mark.usefixtures("rendering")


@pytest.fixture(scope="module")
def figures(shared):
    return vima_rest.measure(list(episodes(shared))[::2])


def test_heights_are_those_of_upstream(figures):
    """To a millimetre or two on whatever lies flat; a bowl tilts things."""
    for base in ("the table", "container", "square", "pallet", "frame"):
        upstream, ours = figures[f"height on {base}, mm"]
        assert len(ours) > 3 and abs(np.median(upstream) - np.median(ours)) < 2, base


def test_carried_things_are_put_where_the_action_says(figures):
    for name, most in (("place, mm from where it was carried", 1.0), ("turn, degrees off", 0.2)):
        upstream, ours = figures[name]
        assert len(ours) > 50 and np.median(ours) < np.median(upstream) and np.median(ours) < most
    _, drifts = figures["bystanders, mm they moved"]
    assert np.percentile(drifts, 90) < 0.1


def test_the_command(shared, capsys):
    assert vima_rest.main([str(shared / "fixtures" / "vima" / "L4.jsonl")]) == 0
    assert "height on the table" in capsys.readouterr().out
