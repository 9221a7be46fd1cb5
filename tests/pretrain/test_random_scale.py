"""Random scale: pictures whose pixels tell where they were, so that every label can be looked up in them."""

from dataclasses import replace

import numpy as np
import pytest

from pretrain.samples.random_scale import RandomScale
from pretrain.sources.records import DenseRecord, FlowRecord, ImageTextRecord, PeopleRecord, QuestionRecord
from tests.pretrain.sample_records import RECORDS, records
from uio2_agent.errors import UIO2Error

SQUARE = (384, 384)


def told(height: int, width: int) -> np.ndarray:
    """A picture in which each pixel holds its row and its column."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8)


def scaled(record, seed: int, **options):
    return RandomScale(**options)(record, SQUARE, np.random.default_rng(seed))


@pytest.mark.parametrize("name", ["regions", "referring"])
def test_boxes_names_and_masks_follow_the_picture(name):
    lost = 0
    for number, record in enumerate(records(name, 150)):
        record = replace(record, image=told(*record.image.shape[:2]))
        cut = scaled(record, number)
        height, width = cut.image.shape[:2]
        top, left = cut.image[0, 0, :2].astype(int)
        assert np.array_equal(cut.image, record.image[top : top + height, left : left + width])
        assert 0 < len(cut.boxes) == len(cut.masks) and len(cut.names) in (0, len(cut.boxes))
        inner = (record.boxes - [top, left, top, left]).clip(0, [height, width, height, width])
        for place, box in enumerate(cut.boxes):
            wanted = [
                before
                for before in range(len(record.boxes))
                if np.array_equal(inner[before], box)
                and np.array_equal(
                    record.masks[before][top : top + height, left : left + width], cut.masks[place]
                )
                and (not record.names or record.names[before] == cut.names[place])
            ]
            assert wanted, "a label of the whole picture, where it lies in the part"
            assert cut.masks[place].any()
        lost += len(cut.boxes) < len(record.boxes)
    assert lost > 10


def test_relations_keep_their_things():
    for number, record in enumerate(records("relations", 150)):
        record = replace(record, image=told(*record.image.shape[:2]))
        cut = scaled(record, number)
        top, left = cut.image[0, 0, :2].astype(int)
        limits = [*cut.image.shape[:2]] * 2
        inner = (record.boxes - [top, left, top, left]).clip(0, limits)
        before = {word: (first, second) for first, word, second in record.relations}
        assert cut.relations
        for first, word, second in cut.relations:
            assert np.array_equal(cut.boxes[[first, second]], inner[[*before[word]]])


def test_joints_depth_normals_and_flow_follow_the_picture():
    gone = 0
    for number in range(100):
        rng = np.random.default_rng(number)
        height, width = (int(side) for side in rng.integers(20, 200, 2))
        image = told(height, width)
        far = image[..., 0] + np.float32(1000) * image[..., 1]
        dense = scaled(DenseRecord(image, far, 1e6, np.dstack([far] * 3)), number)
        assert np.array_equal(dense.depth, dense.image[..., 0] + np.float32(1000) * dense.image[..., 1])
        assert np.array_equal(dense.normals[..., 2], dense.depth)
        flow = scaled(FlowRecord(image, image, np.dstack([far, far])), number)
        assert np.array_equal(flow.flow[..., 0], dense.depth) and np.array_equal(flow.before, dense.image)
        joints = np.floor(rng.uniform(0, 1, (1, 17, 3)) * [width, height, 1]).astype(np.float32)
        joints[..., 2] = 1
        people = scaled(PeopleRecord(image, np.float32([[0, 0, height, width]]), joints), number)
        for before, (x, y, seen) in zip(joints[0], people.joints[0], strict=True):
            if seen:
                assert people.image[int(y), int(x), :2].tolist() == [before[1], before[0]]
            else:
                there = (people.image[..., 0] == before[1]) & (people.image[..., 1] == before[0])
                assert not there.any(), "a joint is unseen where its pixel is cut off alone"
                gone += 1
    assert gone > 50


def test_how_much_is_seen_follows_the_rule():
    """A square picture is seen by 1 / factor of each side where the factor is above 1; of a picture twice as
    wide as high the half covers the square, which shows half of its width at most.
    """
    rng, scale = np.random.default_rng(0), RandomScale()
    shares = [scale.window((1000, 1000), SQUARE, rng) for _ in range(4000)]
    heights = np.array([window.bottom - window.top for window in shares])
    assert abs((heights == 1000).mean() - (1 - 0.75) / (4 / 3 - 0.75)) < 0.03
    assert heights.min() >= 749 and {window.right - window.left for window in shares} == set(heights.tolist())
    wide = [scale.window((500, 1000), SQUARE, rng) for _ in range(4000)]
    widths = np.array([window.right - window.left for window in wide])
    covering = widths <= 1000 * 0.5 / 0.75 + 1
    assert abs(covering.mean() - 0.5) < 0.03
    lefts = np.array([window.left for window in wide])[widths <= 500]
    assert lefts.min() < 30 and lefts.max() > 470, "any part"
    never = RandomScale(smallest=1, largest=1, covering=0)
    assert never.window((50, 90), SQUARE, rng) == never.window((50, 90), SQUARE, rng)
    assert never.window((50, 90), SQUARE, rng).bottom == 50


@pytest.mark.parametrize("name", ["image_text", "pairs", "document", "regions", "people", "dense", "flow"])
def test_the_generator_decides_and_the_record_stays(name):
    record = RECORDS[name](np.random.default_rng(3))
    before = repr(record)
    assert repr(scaled(record, 5)) == repr(scaled(record, 5))
    assert repr(record) == before


def test_what_needs_the_whole_picture_stays():
    question = QuestionRecord("how many?", "two", (told(90, 20),))
    assert scaled(question, 1, smallest=1.3) is question
    long = ImageTextRecord(told(20, 200), "a line")
    assert scaled(long, 1, smallest=1.3, covering=1).image.shape[1] < 40


def test_options_that_cannot_be():
    with pytest.raises(UIO2Error, match="swap"):
        RandomScale(smallest=2, largest=1)
    with pytest.raises(UIO2Error, match="covering"):
        RandomScale(covering=2)
