"""Locations, boxes, points, joints and tracks: recorded official values, and round trips to a bin's width."""

import json

import numpy as np
import pytest

from tests.parity.postprocess import placement_of
from uio2_agent import labels
from uio2_agent.errors import UIO2Error
from uio2_agent.media.geometry import Placement
from uio2_agent.text.vocabulary import Vocabulary, location_text

SQUARE = Placement.fit((384, 384), (384, 384))
SIZES = [(480, 640), (97, 1003), (1000, 10), (50, 50), (384, 384)]
YXYX = [1, 0, 3, 2]


@pytest.fixture
def recorded(shared):
    """Return the cases of a recorded file by its name."""

    def read(name):
        return json.loads((shared / "fixtures/training" / f"{name}.json").read_text())["cases"]

    return read


def _bin_in_pixels(placement: Placement) -> float:
    """One bin, and what float32 may add, in pixels of the picture."""
    return max(placement.size) / 999 / placement.scale * 1.001


def _random_boxes(rng: np.random.Generator, count: int, original: tuple[int, int]) -> np.ndarray:
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
    return corners * np.tile(original[::-1], 2)


def test_recorded_location_tokens(recorded):
    vocabulary = Vocabulary(32_000)
    for case in recorded("location_tokens"):
        values = np.array(case["values"])
        assert labels.write_values(values) == " ".join(token for row in case["tokens"] for token in row)
        ids = labels.values_to_ids(values, vocabulary)
        assert ids.tolist() == case["ids"]
        for row, expected in zip(ids, case["ids_to_values"], strict=True):
            found = labels.ids_to_values(row, vocabulary, len(row))
            assert np.abs(found - expected).max() < 1e-6


def test_recorded_boxes_to_text(recorded):
    for case in recorded("boxes_to_text"):
        boxes = np.array(case["boxes_yxyx_pixels"]).reshape(-1, 4)[:, YXYX]
        square = Placement.fit((case["image_size"],) * 2, (case["image_size"],) * 2)
        assert labels.write_boxes(boxes, square, case["labels"]) == case["text"]
        assert labels.write_boxes(boxes, square, case["labels"], " , ") == case["text_comma"]


def test_recorded_text_to_boxes(recorded):
    for case in recorded("text_to_boxes"):
        values, names = labels.read_labelled_values(case["text"], 4, released=True)
        assert names == case["labels"]
        assert np.allclose(values, np.reshape(case["boxes"], (-1, 4)), rtol=0, atol=1e-9)
        boxes = labels.read_boxes(case["text"], SQUARE, released=True)[:, YXYX]
        assert np.allclose(boxes, np.reshape(case["boxes_nolabel_384"], (-1, 4)), rtol=0, atol=1e-9)


def test_recorded_resize_of_boxes(recorded):
    for case in recorded("resize_boxes"):
        original = case["h"], case["w"]
        placement = Placement.fit(original, tuple(case["out_shape"][:2]))
        boxes = placement.to_square(np.array(case["boxes_unit_yxyx"]) * np.tile(original, 2))
        kept = labels.nonempty(boxes)
        assert np.flatnonzero(kept).tolist() == case["kept"]
        assert np.abs(boxes[kept] - case["boxes_out"]).max() < 1e-3
        assert np.allclose(placement.official(), case["image_info"], rtol=1e-6)
        rows, columns = placement.inside
        assert [[rows.start, rows.stop - 1], [columns.start, columns.stop - 1]] == [
            case["valid_rows"],
            case["valid_cols"],
        ]


def test_recorded_undoing_of_the_resize(recorded):
    for case in recorded("undo_box_preprocessing"):
        placement = placement_of(np.array(case["image_info"]))
        assert np.abs(placement.to_picture(np.array(case["boxes"])) - case["out"]).max() < 1e-3


@pytest.mark.parametrize("original", SIZES)
def test_boxes_come_back_to_one_bin(original):
    placement = Placement.fit(original, (384, 384))
    boxes = _random_boxes(np.random.default_rng(0), 50, original)
    names = [f"thing {index}" for index in range(50)]
    text = labels.write_boxes(boxes, placement, names)
    found, read = labels.read_labelled_boxes(text, placement)
    assert read == names
    assert np.abs(found - boxes).max() < _bin_in_pixels(placement)
    assert (found <= np.tile(original[::-1], 2)).all() and (found >= 0).all()
    assert np.array_equal(labels.read_boxes(text, placement), found)
    assert np.array_equal(labels.read_boxes(labels.write_boxes(boxes, placement), placement), found)
    released, _ = labels.read_labelled_boxes(text, placement, released=True)
    assert (released <= found + 1e-9).all() and np.abs(released - boxes).max() < 2 * _bin_in_pixels(placement)


@pytest.mark.parametrize("original", SIZES)
def test_what_is_read_is_written_the_same(original):
    placement = Placement.fit(original, (384, 384))
    text = labels.write_values(np.random.default_rng(1).uniform(0.5, 0.5005, (20, 2)))
    again = labels.write_points(labels.read_points(text, placement), placement)
    apart = [abs(a - b) for a, b in zip(_bins(text), _bins(again), strict=True)]
    assert max(apart) <= 1  # a value on a bin's lower edge may lose a rounding error


def _bins(text: str) -> list[int]:
    return [int(token.removeprefix("<extra_id_").removesuffix(">")) for token in text.split()]


def test_ids_count_only_in_runs_of_four():
    vocabulary = Vocabulary(500)
    spot = vocabulary.location
    ids = [0, spot(1), spot(2), 77, *map(spot, (10, 20, 30, 40)), 77, *map(spot, (1, 2, 3, 4, 5)), 1]
    found = labels.read_box_ids(ids, vocabulary, SQUARE)
    assert np.allclose(found, [[20 / 999 * 384, 10 / 999 * 384, 40 / 999 * 384, 30 / 999 * 384]])
    assert labels.read_box_ids([], vocabulary, SQUARE).shape == (0, 4)
    assert labels.read_box_ids([vocabulary.extra_id(199)] * 4, vocabulary, SQUARE).shape == (0, 4)


def test_text_that_is_no_box_is_passed_over():
    run = " ".join(location_text(b) for b in (1, 2, 3, 4))
    for text in ("", "no", "<extra_id_300> dog", run.replace("201", "199"), run.replace("> <", "><")):
        assert labels.read_boxes(text, SQUARE).shape == (0, 4)
        assert labels.read_labelled_boxes(text, SQUARE)[1] == []
    values, names = labels.read_labelled_values(f"{run} {run} a dog , {run} cat\n{run} <extra_id_3> x", 4)
    assert names == ["a dog", "cat"] and len(values) == 2
    assert len(labels.read_values(f"{run} {run} <extra_id_900>", 4)) == 2
    # A location too many: the label stands behind the last four.
    found = labels.read_labelled_values(f"<extra_id_900> {run} dog", 4)[0]
    assert np.allclose(found, [[1 / 999, 2 / 999, 3 / 999, 4 / 999]])


def test_boxes_that_cannot_be_written_are_refused():
    box = [1.0, 2.0, 3.0, 4.0]
    for boxes, names, match in (
        ([[3, 2, 1, 4]], None, "swap"),
        ([[1, 2, np.nan, 4]], None, "finite"),
        ([[1, 2, 3]], None, r"\[n, 4\]"),
        ([box], ["a", "b"], "1 rows of numbers but 2 labels"),
        ([box], [""], "rename"),
        ([box], ["<extra_id_300>"], "rename"),
    ):
        with pytest.raises(UIO2Error, match=match):
            labels.write_boxes(np.array(boxes), SQUARE, names)
    assert labels.write_boxes(np.array(box), SQUARE, [" Red  Block\\"]).endswith(" red block")
    assert labels.write_boxes(np.empty((0, 4)), SQUARE, []) == ""
    with pytest.warns(UserWarning, match="1 of 1 boxes reach outside"):
        written = labels.write_boxes([[-5.0, -5, 900, 900]], SQUARE)
    outside = labels.read_boxes(written, SQUARE)
    assert np.array_equal(outside, [[0, 0, 384, 384]])


def test_overlapping_boxes_are_suppressed_in_output_order():
    first, near, far = [0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]
    assert np.allclose(labels.overlaps([first], [first, near, far, [5, 5, 5, 5]]), [[1, 0.9, 0, 0]])
    assert labels.suppress_overlaps([first, near, far, first]).tolist() == [0, 2]
    assert labels.suppress_overlaps([near, first, far]).tolist() == [0, 2]
    assert labels.suppress_overlaps([first, near], threshold=0.9).tolist() == [0, 1]
    assert labels.suppress_overlaps(np.empty((0, 4))).size == 0
    boxes = _random_boxes(np.random.default_rng(2), 60, (100, 100))
    kept = labels.suppress_overlaps(boxes, 0.3)
    together = labels.overlaps(boxes, boxes)
    assert (together[np.ix_(kept, kept)] - np.eye(len(kept)) <= 0.3).all()
    for dropped in set(range(60)) - set(kept.tolist()):
        assert (together[dropped, kept[kept < dropped]] > 0.3).any()


@pytest.mark.parametrize("original", SIZES)
def test_points_and_joints_come_back_to_one_bin(original):
    placement = Placement.fit(original, (384, 384))
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 1, (17, 2)) * original[::-1]
    found, names = labels.read_labelled_points(
        labels.write_points(points, placement, labels.JOINTS), placement
    )
    assert names == list(labels.JOINTS)
    assert np.abs(found - points).max() < _bin_in_pixels(placement)

    visible = rng.uniform(size=17) < 0.5
    given = np.column_stack([np.where(visible[:, None], points, np.nan), visible * 2])
    read = labels.read_keypoints(labels.write_keypoints(given, placement), placement)
    assert read.complete
    assert np.array_equal(read.points[:, 2], visible * 2)
    assert np.abs(read.points[visible, :2] - points[visible]).max() < _bin_in_pixels(placement)
    assert np.allclose(read.points[~visible, :2], read.points[visible, :2].mean(0))


def test_joints_of_a_broken_answer():
    spot = "<extra_id_300> <extra_id_400>"
    for text in ("", "nose", f"{spot} tail", "<extra_id_300> nose", f"{spot} big nose"):
        read = labels.read_keypoints(text, SQUARE)
        assert not read.points.any() and not read.complete
    twice = labels.read_keypoints(f"{spot} nose <extra_id_1> <extra_id_2> <extra_id_900> nose", SQUARE)
    assert np.allclose(twice.points[0], [200 / 999 * 384, 100 / 999 * 384, 2])
    with pytest.raises(UIO2Error, match="17"):
        labels.write_keypoints(np.zeros((16, 3)), SQUARE)
    with pytest.raises(UIO2Error, match="finite"):
        labels.write_keypoints(np.full((17, 3), np.inf), SQUARE)
    everything = labels.write_keypoints(np.ones((17, 3)), SQUARE)
    assert labels.read_keypoints(everything, SQUARE).complete
    for more in (f"{spot} nose", "tail", f"{spot} tail"):
        assert not labels.read_keypoints(f"{everything} {more}", SQUARE).complete
    contradiction = labels.read_keypoints(f"{spot} nose MISSING", SQUARE)
    assert not contradiction.points.any()


def test_tracks_come_back():
    placement = Placement.fit((240, 320), (256, 256))
    boxes = _random_boxes(np.random.default_rng(4), 3, (240, 320))
    track = [labels.TrackedBox(frame, box, "dog") for frame, box in zip((1, 2, 4), boxes, strict=True)]
    text = labels.write_track(track, placement)
    assert text.startswith("<image_history_1> <extra_id_") and text.endswith(" dog")
    found = labels.read_track(f"Where is it? {text} <image_input>", placement)
    assert [(box.frame, box.label) for box in found] == [(1, "dog"), (2, "dog"), (4, "dog")]
    assert np.abs(np.array([box.box for box in found]) - boxes).max() < _bin_in_pixels(placement)
    for frame in (0, 9):
        with pytest.raises(UIO2Error, match=f"frame {frame}"):
            labels.write_track([labels.TrackedBox(frame, boxes[0], "dog")], placement)
