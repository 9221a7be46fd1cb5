"""What samples of each kind hold, read back from their texts and pictures and compared with the record."""

import dataclasses
import re
from itertools import pairwise

import numpy as np
import pytest

from policies import embodiments
from policies.embodiments.navigation import NAVIGATION, place_text
from pretrain.moments import learned_steps
from pretrain.samples import Context, UnusableRecord, builder
from pretrain.sources.records import DocumentRecord, ImageTextRecord, RegionsRecord, TextRecord, VideoRecord
from tests.pretrain.sample_records import Film, episode, picture, words
from tests.pretrain.test_samples import CONFIG, TOKENIZER, ids, modality, samples, text
from uio2_agent.labels import (
    read_boxes,
    read_camera_poses,
    read_keypoints,
    read_labelled_boxes,
    read_points,
)
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.media.geometry import Placement

BIN = 1 / 999
ALONE = Context(CONFIG, TOKENIZER)


def _placement(image: np.ndarray) -> Placement:
    return Placement.fit(image.shape[:2], CONFIG.image_size)


def _pixels(image: np.ndarray) -> float:
    """A bin in pixels of the picture."""
    return 1.01 * BIN * max(image.shape[:2])


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(numbers)


def test_short_documents_fill_the_text_and_long_ones_give_a_part() -> None:
    pool = [TextRecord(words(_rng(9, number), 20)) for number in range(100)]
    drawn = iter(pool)
    context = dataclasses.replace(ALONE, another=lambda: next(drawn))
    sample = builder("text", {"objectives": [{"name": "R1", "paradigm": "R", "share": 1.0}]})(
        pool[0], _rng(0), context
    )
    assert len(sample.request.text) == CONFIG.text_input_length - 2
    long = TextRecord(words(_rng(3), 2000))
    starts = set()
    for number in range(20):
        sample = builder("text", {"objectives": [{"name": "S", "paradigm": "S", "share": 1.0}]})(
            long, _rng(number), ALONE
        )
        whole = [*sample.request.text, *sample.target.text]
        assert len(whole) == CONFIG.text_input_length + CONFIG.text_target_length - 3
        assert TOKENIZER.decode(whole).strip() in long.text
        starts.add(int(whole[0]))
    assert len(starts) > 5


def test_shares_are_shares() -> None:
    """Which way an image and its text go, and how often an image is asked for without its text."""
    record = ImageTextRecord(picture(_rng(1)), words(_rng(1), 6))
    for share in (0.0, 0.25, 1.0):
        made = builder("image_text", {"image_share": share})
        images = sum(modality(made(record, _rng(number), ALONE)) == "image" for number in range(400))
        assert abs(images / 400 - share) <= 3 * np.sqrt(share * (1 - share) / 400)
    made = builder("image_text", {"image_share": 1.0, "prompted": True})
    told = [record.text in made(record, _rng(number), ALONE).request.text for number in range(900)]
    assert abs(1 - np.mean(told) - 0.1) < 3 * np.sqrt(0.09 / 900)


def test_words_follow_the_marker_of_their_segment() -> None:
    film = Film(_rng(2))
    film.seconds, film.has_sound = 60.0, True
    transcript = tuple((second / 2, f"t{second:03d}") for second in range(120))
    record = VideoRecord(film, "", transcript)
    made = builder("video", {"text": 0.0, "audio": 0.0, "kept": 1.0, "generate": 0.0})
    for number in range(25):
        request = made(record, _rng(number), ALONE).request
        pieces = re.split(r"<image_(?:history_\d|input)>", request.text)
        assert pieces[0] == "" and len(pieces) == 6
        spans = [[int(word[1:]) / 2 for word in re.findall(r"t\d\d\d", piece)] for piece in pieces[1:]]
        for before, after in pairwise(spans):
            assert max(before) < min(after) and after[0] - before[-1] == 0.5
            assert abs(after[0] - before[0] - SEGMENT_SECONDS) <= 0.5
        assert all(max(span) - min(span) <= SEGMENT_SECONDS for span in spans)
        assert len(request.audio_history) == 4 and request.audio is not None
        # the first frame is the one in the middle of its words, and the sound the one around it
        (time,) = [
            time for time in film.asked if np.array_equal(film.frames([time])[0], request.image_history[0])
        ]
        assert abs(time - (spans[0][0] + spans[0][-1]) / 2) <= 0.5
        assert np.array_equal(film.sounds([time])[0], request.audio_history[0])
        film.asked.clear()


def test_a_film_may_be_short_silent_or_without_words() -> None:
    for number in range(40):
        film = Film(_rng(number))
        film.seconds, film.has_sound = 0.4 + number / 10, False
        sample = builder("video")(VideoRecord(film), _rng(number), ALONE)
        assert modality(sample) == "image" and sample.paradigm == "R" and not sample.request.image_history
    silent = Film(_rng(0))
    silent.has_sound, silent.sounds = True, lambda times: [np.zeros((256, 128), np.float32)] * len(times)
    made = builder("video", {"audio": 1.0, "image": 0.01, "text": 0.0})
    assert {modality(made(VideoRecord(silent), _rng(number), ALONE)) for number in range(20)} == {"image"}


def test_the_context_of_a_page_is_what_stands_before() -> None:
    parts = []
    for number in range(12):
        parts.append(f"paragraph{number}" if number % 3 else picture(_rng(4, number)))
    order = {part.tobytes(): place for place, part in enumerate(parts) if not isinstance(part, str)}
    targets = set()
    for number in range(150):
        sample = builder("document")(DocumentRecord(tuple(parts)), _rng(number), ALONE)
        request = sample.request
        images = [*request.image_history, *([] if request.image is None else [request.image])]
        places = [order[image.tobytes()] for image in images]
        told = [int(each) for each in re.findall(r"paragraph(\d+)", text(request.text))]
        if modality(sample) == "image":
            target = order[sample.target.image.tobytes()]
            places = places[:-1] if sample.paradigm == "R" else places
            assert len(places) <= 4
        elif sample.paradigm == "S":
            target = int(sample.target.text.removeprefix("paragraph"))
            assert len(places) <= 5
        else:
            continue
        targets.add(target)
        assert told == sorted(told) and places == sorted(places)
        assert all(place < target for place in (*told, *places))
        # nothing between the first part that is taken and the target is left out
        if told or places:
            first = min((*told, *places))
            assert sorted((*told, *places)) == list(range(first, target))
    assert len(targets) >= 10


def test_lists_of_pairs_have_each_caption_behind_its_marker() -> None:
    for record, sample in samples("pairs", 80, {"mend": 0.0, "one": 0.0}):
        captions = {pair.image.tobytes(): pair.text for pair in record.pairs}
        images = [*sample.request.image_history, sample.request.image]
        found = re.split(r"<image_(?:history_\d|input)> ", sample.target.text)[1:]
        for told, image in zip(found, images, strict=True):  # the first words, where all have no room
            assert len(told) > 7 and captions[image.tobytes()].startswith(told.strip())
    for record, sample in samples("pairs", 80, {"mend": 0.0, "every": 0.0}):
        asked = [image.tobytes() for image in (*sample.request.image_history, sample.request.image)]
        told = [pair.text for pair in record.pairs if pair.image.tobytes() in asked]
        assert any(each.startswith(sample.target.text) for each in told)


def test_camera_moves_are_those_between_the_views() -> None:
    asked = {"text": 0, "image": 0, "in context": 0}
    for record, sample in samples("camera_pose", 200):
        place = {image.tobytes(): index for index, image in enumerate(record.images)}
        history = [place[image.tobytes()] for image in sample.request.image_history]
        now = place[sample.request.image.tobytes()]
        if modality(sample) == "text":
            moves, (before, after) = sample.target.text, (history[-1], now)
        else:
            before, after = now, place[sample.target.image.tobytes()]
            moves = sample.request.text
        asked[modality(sample)] += 1
        assert before != after
        assert (_apart(read_camera_poses(moves)[-1], record, before, after) <= POSE_BINS).all()
        if len(history) >= 2:
            asked["in context"] += 1
            told = read_camera_poses(sample.request.text)[0]
            assert (_apart(told, record, history[0], history[1]) <= POSE_BINS).all()
        else:  # the move back is another one: a builder that mixes up the views is found out
            assert (_apart(read_camera_poses(moves)[-1], record, after, before) > POSE_BINS).any()
    assert min(asked.values()) > 10


POSE_BINS = np.array([2 * np.pi * BIN, 0.01, 1.4 * BIN])
"""What a bin is worth of a move: radians, radians, units of the radius."""


def _apart(read: np.ndarray, record, before: int, after: int) -> np.ndarray:
    """How far a move that is read is from that between two views: polar angle, azimuth, radius."""
    polar, azimuth, radius = record.poses[after] - record.poses[before]
    turn = np.angle(np.exp(1j * (read[1] - azimuth)))
    return np.abs([read[0] - polar, turn, read[2] - radius])


def test_masks_are_of_what_is_pointed_at() -> None:
    for record, sample in samples("masks", 200):
        white = sample.target.image[..., 0] > 127
        index = next(i for i, mask in enumerate(record.masks) if (mask == white).all())
        placement, slack = _placement(record.image), _pixels(record.image)
        boxes = read_boxes(sample.request.text, placement)
        if len(boxes) and "<extra_id" in sample.request.text:
            told = record.boxes[index][[1, 0, 3, 2]]
            if np.abs(boxes[0] - told).max() <= slack:
                continue
        for x, y in read_points(sample.request.text, placement):
            rows, columns = np.nonzero(white)
            assert np.hypot(columns + 0.5 - x, rows + 0.5 - y).min() <= 1.5 * slack


def test_shapes_are_listed_or_counted() -> None:
    listed = counted = 0
    for record, sample in samples("patches", 150):
        assert sample.request.image is record.image
        if sample.target.text.isdigit():
            counted += int(sample.target.text) == len(record.names)
            continue
        boxes, names = read_labelled_boxes(sample.target.text, _placement(record.image))
        listed += _all_found(boxes, names, record.boxes[:, [1, 0, 3, 2]], record.names, _pixels(record.image))
        assert sorted(names) == sorted(record.names)
    assert listed > 30 < counted and listed + counted > 100


def test_regions_are_read_back() -> None:
    seen = set()
    for record, sample in samples("regions", 400):
        image, request = record.image, sample.request
        placement, slack = _placement(image), _pixels(image)
        told = record.boxes[:, [1, 0, 3, 2]]
        if modality(sample) == "text":
            answer = sample.target.text
            if answer.isdigit():
                (name,) = [each for each in set(record.names) if each in request.text]
                assert int(answer) == record.names.count(name)
                seen.add("count")
            elif answer in record.names:
                (box,) = read_boxes(request.text, placement)
                same = [i for i, each in enumerate(told) if np.abs(each - box).max() <= slack]
                assert answer in [record.names[i] for i in same]
                seen.add("class")
            elif len(read_labelled_boxes(answer, placement)[1]):
                boxes, names = read_labelled_boxes(answer, placement)
                assert _all_found(boxes, names, told, record.names, slack)
                asked = [name for name in record.names if name in request.text] or list(record.names)
                assert sorted(names) == sorted(asked)
                seen.add("detect")
            else:
                (name,) = [each for each in set(record.names) if each in request.text]
                own = told[[i for i, each in enumerate(record.names) if each == name]]
                count = len(re.findall("<extra_id", answer)) // len(own)
                if count == 4:
                    assert _all_found(read_boxes(answer, placement), None, own, None, slack)
                    seen.add("locate")
                else:
                    middles = (own[:, :2] + own[:, 2:]) / 2
                    points = read_points(answer, placement)
                    assert all(np.abs(middles - point).max(1).min() <= slack for point in points)
                    seen.add("point")
        elif sample.paradigm == "R":
            (box,) = read_boxes(request.text, placement)
            assert _hides(sample.hidden.image, box, placement)
            seen.add("inpaint")
        elif np.array_equal(sample.target.image, image):
            white = request.image[..., 0] > 127
            assert any((white == _of_class(record, name)).all() for name in record.names)
            seen.add("image_from_mask")
        else:
            white = sample.target.image[..., 0] > 127
            masks = [*record.masks, *(_of_class(record, name) for name in record.names)]
            assert any((white == mask).all() for mask in masks)
            seen.add("mask")
    assert seen == {
        *("count", "class", "detect", "locate", "point", "inpaint", "image_from_mask", "mask"),
    }


def _of_class(record: RegionsRecord, name: str) -> np.ndarray:
    return record.masks[[each == name for each in record.names]].any(axis=0)


def _all_found(boxes, names, told, told_names, slack) -> bool:
    """Each box read is one that was told, with its name."""
    return all(
        any(
            np.abs(box - each).max() <= slack and (names is None or names[i] == told_names[j])
            for j, each in enumerate(told)
        )
        for i, box in enumerate(boxes)
    )


def _hides(hidden: np.ndarray, box: np.ndarray, placement: Placement) -> bool:
    """Every patch that shows a pixel of the box (a bin inside its edges) is hidden, and not all others."""
    x1, y1, x2, y2 = box
    square = placement.to_square(np.array([y1, x1, y2, x2]))
    patch = CONFIG.image_encoder.patch_size
    top, left = ((square[:2] + 0.5) // patch).astype(int)
    bottom, right = ((square[2:] - 0.5) // patch).astype(int)
    outside = hidden.copy()
    outside[max(top - 1, 0) : bottom + 2, max(left - 1, 0) : right + 2] = False
    return bool(hidden[top : bottom + 1, left : right + 1].all()) and not outside.any()


def test_joints_are_read_back() -> None:
    for record, sample in samples("people", 60):
        read = read_keypoints(sample.target.text, _placement(record.image))
        assert read.complete
        slack = _pixels(record.image)
        assert any(
            (np.abs(read.points[seen, :2] - joints[seen, :2]) <= slack).all()
            and ((read.points[:, 2] > 0) == seen).all()
            for joints in record.joints
            for seen in [joints[:, 2] > 0]
        )


def test_depth_is_grey_and_normals_are_coloured() -> None:
    kinds = set()
    for record, sample in samples("dense", 60):
        if np.array_equal(sample.target.image, record.image):
            grey, kind = sample.request.image, "image"
            assert record.caption in sample.request.text
        else:
            grey = sample.target.image
            kind = "depth" if (grey[..., 0] == grey[..., 2]).all() else "normals"
        kinds.add(kind)
        if kind == "normals":
            pointing = record.normals / np.linalg.norm(record.normals, axis=-1, keepdims=True)
            assert np.abs(grey / 127.5 - 1 - pointing).max() <= 1 / 127
        else:
            assert np.abs(grey[..., 0] / 255 * 10 - record.depth.clip(0, 10)).max() <= 10 / 255
    assert kinds == {"image", "depth", "normals"}


def test_a_robot_s_history_is_told_frame_by_frame() -> None:
    for record, sample in samples(
        "control", 150, {name: 0.0 for name in ("next_view", "goal_view", "caption", "judge")}
    ):
        frames = {_stacked(record, step).tobytes(): step for step in range(len(record.actions))}
        now = frames[sample.request.image.tobytes()]
        earlier = [frames[image.tobytes()] for image in sample.request.image_history]
        assert earlier == list(range(now - len(earlier), now)) and len(earlier) == min(4, now)
        told = re.findall(r"<image_history_\d> (\( \S+ \S+ \))", sample.request.text)
        assert told == [record.controls.write(record.actions[step]) for step in earlier]
        assert sample.target.text == record.controls.write(record.actions[now])
        assert record.instruction in sample.request.text and "<translation x, gripper>" in sample.request.text


def _stacked(record, step: int) -> np.ndarray:
    return np.concatenate([frames[step] for frames in record.frames.values()])


def test_a_robot_s_next_frame_goal_and_verdict() -> None:
    verdicts = []
    for record, sample in samples("control", 250):
        frames = [_stacked(record, step).tobytes() for step in range(len(record.actions))]
        written = [record.controls.write(action) for action in record.actions]
        if modality(sample) == "image":
            now, then = (frames.index(each.tobytes()) for each in (sample.request.image, sample.target.image))
            if record.instruction in sample.request.text:
                assert (now, then) == (0, len(frames) - 1)
            else:
                assert then == now + 1 and written[now] in sample.request.text
        elif sample.target.text in ("yes", "no"):
            now = frames.index(sample.request.image.tobytes())
            verdicts.append(sample.target.text == "yes")
            assert (written[now] in sample.request.text) == verdicts[-1]
    assert 0.25 < np.mean(verdicts) < 0.75


QUESTIONS = ("action", "next_view", "next_state", "goal_view", "caption", "judge")
ONLY = {question: {each: float(each == question) for each in QUESTIONS} for question in QUESTIONS}


@pytest.mark.parametrize("name", ["vima", "navigation", "household"])
@pytest.mark.parametrize("question", ONLY)
def test_every_body_is_asked_every_question(name: str, question: str) -> None:
    """The answer is the episode's, and (for pictures, words and places) not in the request."""
    body, made, answered, verdicts = embodiments.get(name), builder("trajectory", ONLY[question]), 0, []
    for number in range(40):
        record = episode(name, _rng(11, number))
        try:
            sample = made(record, _rng(number), ALONE)
        except UnusableRecord:
            assert (question == "next_state" and name == "vima") or (
                question == "goal_view" and not record.success
            )
            continue
        answered += 1
        asked, target = sample.request.text, sample.target
        cameras = body.style().fitted(body.cameras).views
        pictures = [_seen(record, cameras, step).tobytes() for step in range(record.length + 1)]
        if question == "next_view":
            assert (
                pictures.index(target.image.tobytes()) == pictures.index(sample.request.image.tobytes()) + 1
            )
        elif question == "goal_view":
            assert target.image.tobytes() == pictures[-1] and sample.request.image.tobytes() == pictures[0]
            assert record.prompt.split()[0] in asked
        elif question == "next_state":
            now = pictures.index(sample.request.image.tobytes())
            assert target.text == body.state_text(record.states[now + 1]) not in asked
            earlier = [pictures.index(image.tobytes()) for image in sample.request.image_history]
            assert earlier == list(range(max(0, now - 4), now))
            places = [body.state_text(record.states[step]) for step in (*earlier, now)]
            assert all(place in asked for place in places)
        elif question == "caption":
            assert target.text.split()[0] == record.prompt.split()[0] not in asked
        elif question == "judge":
            now = pictures.index(sample.request.image.tobytes())
            right = {record.action_texts[now]} if body.horizon else set(record.action_texts[now:])
            verdicts.append(target.text == "yes")
            judged = [each.text for each in body.parse(asked) if each.text not in record.action_texts[:now]]
            assert verdicts[-1] == any(each in right for each in judged) or body.numbers_steps is False
        else:
            (step, *_) = body.parse(target.text)
            assert step.text in record.action_texts or body.symmetries
            assert bool(step.after) == target.text.startswith("( ")
    assert answered >= (0 if question == "next_state" and name == "vima" else 15)
    assert question != "judge" or 0.2 < np.mean(verdicts) < 0.8


def _seen(record, cameras, step: int) -> np.ndarray:
    source = record.final if step == record.length else {c: record.frames[c][step] for c in cameras}
    return np.concatenate([source[camera] for camera in cameras])


def _asked(state_too: float):
    return builder("trajectory", {**ONLY["action"], "state_too": state_too, "augment": False})


def test_a_walker_that_is_asked_for_its_place_too_tells_the_next_one() -> None:
    record = episode("navigation", _rng(5))
    record.length = 4
    record.states = np.cumsum(np.full((4, 9), 0.5, np.float32), axis=0)
    record.action_texts, record.expert_texts = ["move ahead", "turn left", "look up", "stop"], [""] * 4
    record.frames = {
        camera: [picture(_rng(step), 24, 24) for step in range(4)] for camera in NAVIGATION.cameras
    }
    answers = set()
    for number in range(200):
        sample = _asked(0.5)(record, _rng(number), ALONE)
        answers.add(sample.target.text)
        assert ("( x z y )" in sample.request.text) == sample.target.text.startswith("( ")
    after = [*(place_text(state) for state in record.states[1:]), place_text(record.states[3])]
    with_place = {f"{place} {action}" for place, action in zip(after, record.action_texts, strict=True)}
    assert answers == with_place | set(record.action_texts)
    # where an expert would have done something else, nobody knows where it leads
    record.expert_texts = ["turn right", "turn left", "", "stop"]
    assert learned_steps(record) == [0, 1, 3]
    answers = {_asked(1.0)(record, _rng(number), ALONE).target.text for number in range(100)}
    assert answers == {"turn right", f"{after[1]} turn left", f"{after[3]} stop"}


def test_a_sound_that_is_long_has_a_history() -> None:
    lengths = set()
    for record, sample in samples("sound", 30, {"sound_share": 0.0}):
        request = sample.request
        whole = max(1, round(len(record.wave) / 16_000 / SEGMENT_SECONDS + 0.45))
        assert abs(1 + len(request.audio_history) - min(5, whole)) <= 1
        assert request.audio.shape == (256, 128) and ids(request.text)
        lengths.add(len(request.audio_history))
    assert lengths >= {0, 1, 2}
