"""Tags, relations, referring words, 3-D boxes, flow, edits, tracks, questions on videos: what is asked and
answered, read back and compared with the record; and the labels of the generated ones, with the pixels.
"""

import numpy as np
import pytest

from pretrain.generated.shapes import COLOURS
from pretrain.generated.source import GeneratedSource
from pretrain.samples import UnusableRecord, builder
from pretrain.sources.records import (
    RegionsRecord,
    RelationsRecord,
    TagsRecord,
    TrackRecord,
    VideoQuestionRecord,
)
from tests.pretrain.sample_records import picture
from tests.pretrain.test_samples import CONFIG, MARKER, context, samples
from uio2_agent.errors import UIO2Error
from uio2_agent.labels.boxes import read_boxes
from uio2_agent.labels.cuboids import read_cuboids
from uio2_agent.labels.flows import flow_picture, read_flow
from uio2_agent.labels.pictures import read_mask
from uio2_agent.labels.tracks import read_track
from uio2_agent.media.geometry import Placement

APART = np.float32([[0, 0, 5, 5], [6, 6, 9, 9]])


def boxes_in(text: str, image: np.ndarray) -> np.ndarray:
    """Boxes of a text, y1 x1 y2 x2 in pixels of the image."""
    return read_boxes(text, Placement.fit(image.shape[:2], CONFIG.image_size))[:, [1, 0, 3, 2]]


def near(box: np.ndarray, image: np.ndarray) -> float:
    """How far location tokens may be off, in pixels: a bin and rounding of the square."""
    return 0.005 * max(image.shape)


def test_the_class_is_among_those_told_and_they_in_any_order():
    places = set()
    shown = set()
    for record, sample in samples("tags", 90, {"most": 5}):
        told = [each for each in record.classes if each in sample.request.text]
        shown.add(type(record))
        assert sample.target.text == record.tag and record.tag in told
        assert len(told) == min(5, len(record.classes))
        places.add(sorted(told, key=sample.request.text.index).index(record.tag))
    assert len(places) > 3 and len(shown) == 3
    with pytest.raises(UnusableRecord, match="other"):
        one = TagsRecord(picture(np.random.default_rng(0)), "cup", ("cup",))
        builder("tags")(one, np.random.default_rng(0), context("tags", 0))


def test_a_relation_goes_from_the_first_box_to_the_second():
    for record, sample in samples("relations", 60):
        boxes = boxes_in(sample.request.text, record.image)
        fitting = [
            word
            for first, word, second in record.relations
            if np.abs(boxes - record.boxes[[first, second]]).max() < near(boxes, record.image)
        ]
        assert fitting == [sample.target.text], "the only word that holds from the first to the second"


def test_two_words_for_one_pair_are_not_asked():
    two = RelationsRecord(
        picture(np.random.default_rng(0)),
        APART,
        ((0, "on", 1), (0, "by", 1)),
    )
    with pytest.raises(UnusableRecord, match="alone"):
        builder("relations")(two, np.random.default_rng(0), context("relations", 0))


def test_words_and_region_mean_each_other():
    seen = set()
    for record, sample in samples("referring", 100):
        own = {name: place for place, name in enumerate(record.names) if record.names.count(name) == 1}
        if sample.target.image is not None:
            (phrase,) = (name for name in own if name in sample.request.text)
            assert np.array_equal(read_mask(sample.target.image), record.masks[own[phrase]])
        elif sample.target.text in own:
            box = boxes_in(sample.request.text, record.image)
            assert np.abs(box - record.boxes[own[sample.target.text]]).max() < near(box, record.image)
        else:
            (phrase,) = (name for name in own if name in sample.request.text)
            box = boxes_in(sample.target.text, record.image)
            assert np.abs(box - record.boxes[own[phrase]]).max() < near(box, record.image)
        seen.add((sample.target.image is None, sample.target.text in own))
    assert len(seen) == 3
    twice = RegionsRecord(picture(np.random.default_rng(0)), APART, ("a", "a"))
    with pytest.raises(UnusableRecord, match="alone"):
        builder("referring")(twice, np.random.default_rng(0), context("referring", 0))


def test_cuboids_are_those_of_the_box_that_is_told():
    for record, sample in samples("cuboids", 60):
        box = boxes_in(sample.request.text, record.image)[0]
        off = np.abs(record.boxes - box).max(1)
        read = read_cuboids(sample.target.text)
        assert len(read.depths) == 1
        alike = np.flatnonzero(off < near(box, record.image))
        assert any(
            np.abs(read.centres - record.cuboids.centres[place]).max() < 0.003
            and abs(read.depths[0] - record.cuboids.depths[place]) < 2e-4
            and np.abs(read.log_sizes - record.cuboids.log_sizes[place]).max() < 0.01
            and np.abs(read.rotations - record.cuboids.rotations[place]).max() < 0.02
            for place in alike
        )


def test_a_track_tells_the_boxes_before_and_asks_the_next():
    missing = 0
    for record, sample in samples("tracking", 80):
        history, image = sample.request.image_history, sample.request.image
        last = next(n for n, each in enumerate(record.images) if each is image)
        assert all(a is b for a, b in zip(history, record.images[last - len(history) : last], strict=True))
        told = read_track(sample.request.text, Placement.fit(image.shape[:2], CONFIG.image_size))
        seen = [n for n in range(last - len(history), last) if record.boxes[n, 0] >= 0]
        assert [tracked.frame for tracked in told] == [n - last + len(history) + 1 for n in seen]
        for tracked, n in zip(told, seen, strict=True):
            assert tracked.label.startswith(record.name)  # the last runs into the wording
            assert np.abs(tracked.box[[1, 0, 3, 2]] - record.boxes[n]).max() < near(tracked.box, image)
        answer = boxes_in(sample.target.text, image)
        assert np.abs(answer - record.boxes[last]).max() < near(answer, image)
        missing += len(seen) < len(history)
    assert missing > 5
    never = TrackRecord((picture(np.random.default_rng(0)),) * 2, np.full((2, 4), -1, np.float32), "cup")
    with pytest.raises(UnusableRecord, match="two frames"):
        builder("tracking")(never, np.random.default_rng(0), context("tracking", 0))


def test_flow_is_read_back_from_its_colours():
    for record, sample in samples("flow", 20):
        assert sample.request.image is record.after and sample.request.image_history == (record.before,)
        read = read_flow(sample.target.image, record.fastest)
        assert np.abs(read - record.flow).max() < 0.2


def test_colours_of_flow():
    ways = np.array([[[5, 0], [0, 5], [-5, 0], [0, 0], [50, 0]]], np.float32)
    right, down, left, still, far = flow_picture(ways, 5)[0].tolist()
    assert right == far == [255, 0, 0] and still == [255, 255, 255]
    assert down[1] == 255 and down[2] == 0 and left == [0, 255, 255]
    for wrong in (np.zeros((2, 2)), np.full((2, 2, 2), np.nan)):
        with pytest.raises(UIO2Error, match="flow"):
            flow_picture(wrong, 5)
    with pytest.raises(UIO2Error, match="positive"):
        flow_picture(ways, 0)


def test_an_edit_shows_what_was_and_asks_what_becomes():
    for record, sample in samples("image_edit", 20):
        assert sample.request.image is record.before and sample.target.image is record.after
        assert record.instruction in sample.request.text


def test_frames_of_a_question_are_one_of_each_part_in_order_with_the_middle_as_input():
    asked = [pair for pair in samples("question", 100) if isinstance(pair[0], VideoQuestionRecord)]
    assert len(asked) > 20
    for record, sample in asked:
        times, count = record.film.asked, CONFIG.history_frames + 1
        assert [int(time * count / record.film.seconds) for time in times] == list(range(count))
        frames = record.film.frames(times)
        middle = count // 2
        assert np.array_equal(sample.request.image, frames[middle])
        others = [frame for place, frame in enumerate(frames) if place != middle]
        assert all(map(np.array_equal, sample.request.image_history, others))
        markers = [match[0] for match in MARKER.finditer(sample.request.text)]
        assert markers[:3] == ["<image_history_1>", "<image_history_2>", "<image_input>"]
        assert record.question in sample.request.text and sample.target.text == record.answer


def test_generated_motion_leads_from_one_frame_to_the_other():
    moved = 0
    for record in (GeneratedSource("made", "flow", 20)[n] for n in range(20)):
        ys, xs = np.nonzero(np.abs(record.flow).sum(-1))
        down, right = record.flow[ys, xs, 1].astype(int), record.flow[ys, xs, 0].astype(int)
        there = record.after[ys + down, xs + right] == record.before[ys, xs]
        moved += len(ys)
        assert not len(ys) or there.all(1).mean() > 0.9, "but where another shape came over it"
    assert moved > 1000


def test_generated_edits_change_what_they_say_alone():
    for record in (GeneratedSource("made", "edit", 20)[n] for n in range(20)):
        differs = (record.before != record.after).any(-1)
        assert 0 < differs.mean() < 0.2
        if record.instruction.startswith("make"):
            colour = COLOURS[record.instruction.rstrip(".").split()[-1]]
            assert (record.after[differs] == colour).all()
        else:
            old = record.before[differs]
            assert record.instruction.startswith("remove") and (old == old[0]).all()


def test_generated_tracks_and_relations_follow_the_pixels():
    for number in range(20):
        record = GeneratedSource("made", "track", 20)[number]
        colour = COLOURS[record.name.split()[0]]
        for image, box in zip(record.images, record.boxes.astype(int), strict=True):
            if box[0] >= 0:
                inside = image[box[0] : box[2], box[1] : box[3]]
                assert (inside == colour).all(-1).any((0, 1)) and len(inside)
        held = GeneratedSource("made", "relations", 20)[number]
        middles = (held.boxes[:, :2] + held.boxes[:, 2:]) / 2
        for first, word, second in held.relations:
            down, right = middles[second] - middles[first]
            signed = {"left of": right, "right of": -right, "above": down, "below": -down}[word]
            assert signed > 0
