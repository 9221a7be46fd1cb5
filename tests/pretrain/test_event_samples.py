"""Texts in pictures, times of what happens, places of sounds, classes and captions of videos: what is
answered, read back and compared with the record; and, as negative controls, answers of another record.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pretrain.generated.writing import write_set
from pretrain.samples import Sample, UnusableRecord, builder
from pretrain.sources.opening import open_source
from pretrain.sources.records import EventsRecord, SceneTextRecord
from pretrain.sources.source import BadRecord
from tests.pretrain.sample_records import Film, picture
from tests.pretrain.test_generated_events import made
from tests.pretrain.test_labelled_samples import boxes_in, near
from tests.pretrain.test_samples import CONFIG, MARKER, TOKENIZER, Context, context, samples
from tests.uio2_agent.tiny import full_config
from uio2_agent.errors import UIO2Error
from uio2_agent.labels.boxes import read_labelled_boxes
from uio2_agent.labels.times import read_times, write_times
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.media.geometry import Placement

FRAMES = CONFIG.history_frames + 1
BIN = 1 / 999


def check_all_but_swapped(pairs: list[tuple], check: Callable[[object, Sample], None]) -> None:
    """Each sample passes, and with the answer of the next record's nearly none does."""
    wrong = 0
    for (record, sample), (_, other) in zip(pairs, [*pairs[1:], pairs[0]], strict=True):
        check(record, sample)
        try:
            check(record, dataclasses.replace(sample, target=other.target))
        except AssertionError:
            wrong += 1
    assert wrong > 0.9 * len(pairs) > 10


# texts in pictures


def check_boxes_and_texts(record: SceneTextRecord, sample: Sample) -> None:
    placement = Placement.fit(record.image.shape[:2], CONFIG.image_size)
    boxes, texts = read_labelled_boxes(sample.target.text, placement)
    assert sorted(texts) == sorted(text for text in record.texts if text)
    for box, text in zip(boxes[:, [1, 0, 3, 2]], texts, strict=True):
        wanted = record.boxes[record.texts.index(text)]
        assert np.abs(box - wanted).max() < near(box, record.image)


def test_texts_stand_behind_their_boxes_in_any_order():
    pairs = list(samples("scene_text", 60, {"read": 0}))
    check_all_but_swapped(pairs, check_boxes_and_texts)
    mixed = [sample.target.text for record, sample in pairs if len(set(record.texts) - {""}) > 2]
    orders = {tuple(np.argsort([text.index(each) for each in sorted(set(text.split()))])) for text in mixed}
    assert len(orders) > 5


def test_texts_are_read_in_their_order_and_without_what_nobody_can_read():
    for record, sample in samples("scene_text", 40, {"boxes": 0}):
        assert sample.target.text == " ".join(text for text in record.texts if text)
    blank = SceneTextRecord(picture(np.random.default_rng(0)), np.float32([[0, 0, 5, 5]]), (" , ",))
    with pytest.raises(UnusableRecord, match="can be read"):
        builder("scene_text")(blank, np.random.default_rng(0), context("scene_text", 0))


# when something happens


def check_times(record: EventsRecord, sample: Sample, span: tuple[float, float], phrase: str) -> None:
    start, end = span
    wanted = sorted(
        (max(first, start), min(last, end))
        for first, last, each in record.events
        if each == phrase and first < end and last > start
    )
    read = read_times(sample.target.text, end - start) + start
    assert read.shape == (len(wanted), 2) and "<extra_id" not in sample.request.text
    assert np.abs(read - wanted).max() <= 1.01 * BIN * (end - start)


def asked_for(record: EventsRecord, sample: Sample) -> str:
    (phrase,) = {each for _, _, each in record.events if each in sample.request.text}
    return phrase


def test_times_of_actions_are_parts_of_the_whole_video_whose_frames_are_middles():
    several = 0

    def check(record: EventsRecord, sample: Sample) -> None:
        check_times(record, sample, (0.0, record.film.seconds), asked_for(record, sample))

    pairs = list(samples("event_times", 60))
    check_all_but_swapped(pairs, check)
    for record, sample in pairs:
        middles = (np.arange(FRAMES) + 0.5) * record.film.seconds / FRAMES
        assert record.film.asked == pytest.approx(middles.tolist())
        frames = record.film.frames(record.film.asked)
        assert all(map(np.array_equal, [*sample.request.image_history, sample.request.image], frames))
        assert sample.request.audio is None and not sample.request.audio_history
        several += len(read_times(sample.target.text, 1.0)) > 1
    assert several > 10


def test_times_of_sounds_are_parts_of_the_run_that_is_heard():
    cut = 0

    def check(record: EventsRecord, sample: Sample) -> None:
        check_times(record, sample, run_of(record), asked_for(record, sample))

    def run_of(record: EventsRecord) -> tuple[float, float]:
        times = record.film.asked
        first, last = times[0] - SEGMENT_SECONDS / 2, times[-1] + SEGMENT_SECONDS / 2
        return max(0.0, first), min(record.film.seconds, last)

    pairs = list(samples("event_times", 80, {"heard": True}))
    check_all_but_swapped(pairs, check)
    for record, sample in pairs:
        times, request = record.film.asked, sample.request
        assert np.diff(times) == pytest.approx(SEGMENT_SECONDS)
        sounds = record.film.sounds(times)
        assert all(map(np.array_equal, [*request.audio_history, request.audio], sounds))
        markers = [match[0] for match in MARKER.finditer(request.text)]
        senses = [marker[1:6] for marker in markers]
        assert senses == ["image", "audio"] * len(times), "each frame's sound behind its frame"
        cut += run_of(record) != (0.0, record.film.seconds)
    assert cut > 10
    silent = EventsRecord(Film(np.random.default_rng(0)), ((0.0, 0.2, "a"),))
    silent.film.has_sound = False
    with pytest.raises(UnusableRecord, match="has none"):
        builder("event_times", {"heard": True})(silent, np.random.default_rng(0), context("event_times", 0))


# where a sound is


def check_sources(record: object, sample: Sample) -> None:
    boxes = boxes_in(sample.target.text, sample.request.image)
    assert len(boxes) == len(record.boxes) and "<extra_id" not in sample.request.text
    off = np.abs(boxes[:, None] - record.boxes[None]).max(-1)
    assert off.min(0).max() < near(boxes, sample.request.image) > off.min(1).max()


def test_boxes_are_those_of_what_is_heard_in_the_frame_with_its_sound():
    pairs = list(samples("sound_source", 60))
    check_all_but_swapped(pairs, check_sources)
    for record, sample in pairs:
        request = sample.request
        assert np.array_equal(request.image, record.film.frames([record.second])[0])
        assert np.array_equal(request.audio, record.film.sounds([record.second])[0])
        assert not request.image_history and not request.audio_history


# captions, next frames and sounds of videos


def test_a_caption_is_written_from_a_frame_of_each_part():
    heard = 0
    for record, sample in samples("prompted_video", 60, {"next_frame": 0, "sound": 0}):
        assert sample.target.text == record.caption
        times, request = record.film.asked, sample.request
        assert [int(time * FRAMES / record.film.seconds) for time in times] == list(range(FRAMES))
        frames = record.film.frames(times)
        assert all(map(np.array_equal, [*request.image_history, request.image], frames))
        if request.audio is not None:
            heard += 1
            sounds = record.film.sounds(times)
            assert all(map(np.array_equal, [*request.audio_history, request.audio], sounds))
    assert 2 < heard < 20


def check_next(record: object, sample: Sample, spacing: float) -> None:
    *before, last = record.film.asked
    shown = [*sample.request.image_history, sample.request.image]
    assert np.diff([*before, last]) == pytest.approx(spacing)
    assert all(map(np.array_equal, shown, record.film.frames(before)))
    assert np.array_equal(sample.target.image, record.film.frames([last])[0])
    assert not any(np.array_equal(sample.target.image, frame) for frame in shown)


def test_the_next_frame_follows_those_that_are_shown_at_one_spacing():
    counts = set()
    for record, sample in samples("prompted_video", 60, {"caption": 0, "sound": 0, "spacing": 0.7}):
        check_next(record, sample, 0.7)
        counts.add(len(sample.request.image_history))
        for shown in (sample.request.image, picture(np.random.default_rng(0), 20, 24)):
            with pytest.raises(AssertionError):
                spoiled = dataclasses.replace(sample.target, image=shown)
                check_next(record, dataclasses.replace(sample, target=spoiled), 0.7)
    assert CONFIG.history_frames in counts and len(counts) > 1


def test_a_sound_is_made_of_frames_that_are_seen_while_it_lasts():
    for record, sample in samples("prompted_video", 60, {"caption": 0, "next_frame": 0}):
        times, request = record.film.asked, sample.request
        assert request.audio is None and not request.audio_history
        lasting = min(record.film.seconds, SEGMENT_SECONDS)
        (middle,) = record.film.heard
        assert np.array_equal(sample.target.audio, record.film.sounds([middle])[0])
        start = middle - lasting / 2
        assert -1e-9 <= start <= record.film.seconds - lasting + 1e-9
        parts = [(time - start) * FRAMES / lasting for time in times]
        assert [int(part) for part in parts] == list(range(FRAMES))


def test_a_still_video_has_no_next_frame_and_a_silent_one_no_sound():
    (record,) = made("sound_events", 1)
    film = dataclasses.replace(record.film, wave=0 * record.film.wave)
    (video,) = made("video", 1)
    for only, said in (("next_frame", "one of those before"), ("sound", "silent")):
        weights = {"caption": 0, "next_frame": 0, "sound": 0, only: 1}
        with pytest.raises(UnusableRecord, match=said):
            still = dataclasses.replace(video, film=film)
            builder("prompted_video", weights)(still, np.random.default_rng(0), context("prompted_video", 0))


# records that are damaged


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("events", {"events": [{"start": 3.0, "end": 2.0, "phrase": "a"}]}, "'a' goes from 3.0 to 2.0 s"),
        ("events", {"events": [{"start": 0.0, "end": 1.0, "phrase": ""}]}, "text is empty"),
        ("sound_source", {"second": 9.0}, "of second 9.0, and it lasts 4 s"),
        ("scene_text", {"texts": []}, "1 boxes and 0 texts: one each"),
        ("video_tags", {"tag": ""}, "text is empty"),
        ("sound_tags", {"tag": " "}, "text is empty"),
    ],
)
def test_what_cannot_be_is_a_bad_record(tmp_path: Path, kind: str, change: dict, said: str) -> None:
    record = next(each for each in made(kind) if kind != "scene_text" or len(each.texts) == 1)
    write_set(tmp_path / "set", [record], "files")
    told = tmp_path / "set" / "00000000.json"
    told.write_text(json.dumps({**json.loads(told.read_text()), **change}))
    with pytest.raises(BadRecord, match=said):
        open_source("s", tmp_path / "set", kind)[0]


# models that take or answer less


def test_a_model_without_ears_is_shown_no_sound():
    deaf = full_config(
        input_modalities=("text", "image", "image_history"), audio_encoder=None, audio_history=None
    )
    for name, kind in (("sound_source", "sound_source"), ("tags", "sound_tags")):
        with pytest.raises(UnusableRecord, match="shows audio, which the model does not take"):
            builder(name)(made(kind, 1)[0], np.random.default_rng(0), Context(deaf, TOKENIZER))


# times as tokens


def test_times_are_parts_of_what_is_shown():
    rng = np.random.default_rng(0)
    for seconds in (0.5, 20.4, 3600.0):
        times = np.sort(rng.uniform(0, seconds, (50, 2)), axis=1)
        read = read_times(write_times(times, seconds), seconds)
        assert (read <= times + 1e-9).all() and np.abs(read - times).max() <= 1.0001 * BIN * seconds
    assert read_times(write_times(np.array([[-1.0, 9.0]]), 4.0), 4.0).tolist() == [[0.0, 4.0]]
    assert read_times("nothing is done", 4.0).shape == (0, 2)
    for wrong, seconds, said in (
        ([[2.0, 1.0]], 4.0, "a start comes first"),
        ([[0.0, np.nan]], 4.0, "finite"),
        ([[0.0, 1.0, 2.0]], 4.0, "2"),
        ([[0.0, 1.0]], 0.0, "give more"),
    ):
        with pytest.raises(UIO2Error, match=said):
            write_times(np.array(wrong), seconds)
