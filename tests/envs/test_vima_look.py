"""Recorded pictures and ours show the same: every object of every recorded episode, on the table and in
prompt pictures, and the page that puts them side by side.
"""

import pytest

from tests import vima_look

pytestmark = pytest.mark.usefixtures("rendering")


def test_every_object_has_its_recorded_area_and_box(shared, tmp_path, capsys):
    """Areas within 15 %, boxes within 3 px; of blocks born inside each other either may show in front."""
    page = tmp_path / "look.html"
    counts = vima_look.run(shared / "fixtures" / "vima", page)
    seen = {name: count for name, count in counts.items() if name[0] in ("table", "prompt")}
    assert sum(count.seen for count in seen.values()) > 4000
    overlapping = seen.pop(("table", "small block"))
    assert overlapping.area >= 0.9 * overlapping.seen and overlapping.box == overlapping.seen
    for name, count in seen.items():
        assert count.area == count.box == count.seen, name
    capsys.readouterr()
    text = page.read_text()
    assert text.count('class="pair"') > 100 and "in prompt pictures" in text


def test_the_command(tmp_path, capsys):
    assert vima_look.main([str(tmp_path), str(tmp_path / "page.html")]) == 1, "no recording"
