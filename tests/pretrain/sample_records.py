"""Random small records of every kind. No word and no picture comes twice, so that what leaks is seen."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np

from policies import embodiments
from pretrain.sources.records import (
    CuboidsRecord,
    DenseRecord,
    DocumentRecord,
    EditRecord,
    EventsRecord,
    FlowRecord,
    ImageTextRecord,
    PairsRecord,
    PeopleRecord,
    QuestionRecord,
    RegionsRecord,
    RelationsRecord,
    SceneTextRecord,
    SoundSourceRecord,
    SoundTagsRecord,
    SoundTextRecord,
    TagsRecord,
    TextRecord,
    TrackRecord,
    TrajectoryRecord,
    VideoQuestionRecord,
    VideoRecord,
    VideoTagsRecord,
    ViewsRecord,
)
from uio2_agent.labels.controls import ControlSpace
from uio2_agent.labels.cuboids import Cuboids

Rng = np.random.Generator
_LETTERS = np.array(list("bcdfghjklmnpqrstvwz"))


def words(rng: Rng, count: int) -> str:
    """Words of eight random letters: none comes twice, in any record or wording."""
    letters = _LETTERS[rng.integers(0, len(_LETTERS), (count, 7))]
    return " ".join("q" + "".join(word) for word in letters.tolist())


def picture(rng: Rng, height: int | None = None, width: int | None = None) -> np.ndarray:
    height, width = height or int(rng.integers(12, 40)), width or int(rng.integers(12, 40))
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def image_text(rng: Rng) -> ImageTextRecord:
    return ImageTextRecord(picture(rng), words(rng, int(rng.integers(1, 30))))


class Film:
    """Frames and sounds that are told apart by a number drawn."""

    def __init__(self, rng: Rng):
        self.seconds = float(rng.uniform(0.5, 40))
        self.has_sound = bool(rng.random() < 0.7)
        self._seed = int(rng.integers(2**31))
        self.asked: list[float] = []
        """Times of frames that were looked at."""
        self.heard: list[float] = []
        """Times of sounds that were."""

    def frames(self, times):
        self.asked += [time for time in times if time not in self.asked]
        return [picture(np.random.default_rng([self._seed, int(1e3 * time)]), 20, 24) for time in times]

    def sounds(self, times):
        self.heard += [time for time in times if time not in self.heard]
        return [
            np.random.default_rng([self._seed, int(1e3 * time), 1]).random((256, 128), np.float32) + 0.1
            for time in times
        ]


def video(rng: Rng) -> VideoRecord:
    film, transcript, caption = Film(rng), (), ""
    if rng.random() < 0.6:
        seconds = np.sort(rng.uniform(0, film.seconds, int(rng.integers(1, 40))))
        transcript = tuple((float(second), words(rng, 1)) for second in seconds)
    elif rng.random() < 0.8:
        caption = words(rng, 8)
    return VideoRecord(film, caption, transcript)


def document(rng: Rng) -> DocumentRecord:
    return DocumentRecord(
        tuple(
            picture(rng) if rng.random() < 0.4 else words(rng, int(rng.integers(1, 60)))
            for _ in range(int(rng.integers(2, 14)))
        )
    )


def pairs(rng: Rng) -> PairsRecord:
    return PairsRecord(tuple(image_text(rng) for _ in range(int(rng.integers(2, 8)))))


def views(rng: Rng) -> ViewsRecord:
    count = int(rng.integers(2, 7))
    poses = np.stack(
        [rng.uniform(0.2, 1.2, count), rng.uniform(-3, 3, count), rng.uniform(1, 1.6, count)], axis=1
    )
    return ViewsRecord(tuple(picture(rng, 20, 20) for _ in range(count)), poses)


def regions(rng: Rng) -> RegionsRecord:
    image, count = picture(rng), int(rng.integers(1, 6))
    height, width = image.shape[:2]
    masks, boxes = np.zeros((count, height, width), bool), []
    for index in range(count):
        top, left = int(rng.integers(0, height - 4)), int(rng.integers(0, width - 4))
        bottom, right = int(rng.integers(top + 3, height + 1)), int(rng.integers(left + 3, width + 1))
        boxes.append((top, left, bottom, right))
        masks[index, top:bottom, left:right] = rng.random((bottom - top, right - left)) < 0.8
    named = rng.random() < 0.8
    classes = words(rng, 3).split()
    names = tuple(classes[int(rng.integers(3))] for _ in boxes) if named else ()
    return RegionsRecord(image, np.array(boxes, np.float32), names, masks)


def people(rng: Rng) -> PeopleRecord:
    image, count = picture(rng), int(rng.integers(1, 4))
    height, width = image.shape[:2]
    joints = np.stack(
        [
            rng.uniform(0, width, (count, 17)),
            rng.uniform(0, height, (count, 17)),
            rng.integers(0, 2, (count, 17)),
        ],
        axis=-1,
    ).astype(np.float32)
    joints[:, 0, 2] = 1
    return PeopleRecord(image, np.tile(np.float32([0, 0, height, width]), (count, 1)), joints)


def dense(rng: Rng) -> DenseRecord:
    image = picture(rng)
    size = image.shape[:2]
    normals = rng.normal(size=(*size, 3)).astype(np.float32)
    return DenseRecord(image, rng.uniform(0, 12, size).astype(np.float32), 10.0, normals, words(rng, 6))


def question(rng: Rng) -> QuestionRecord | VideoQuestionRecord:
    if rng.random() < 0.5:
        return VideoQuestionRecord(Film(rng), words(rng, 2) + "?", words(rng, 2))
    images = tuple(picture(rng) for _ in range(int(rng.integers(0, 5))))
    return QuestionRecord(words(rng, 5) + "?", words(rng, 2), images)


def tags(rng: Rng) -> TagsRecord | VideoTagsRecord | SoundTagsRecord:
    classes = words(rng, int(rng.integers(1, 7)) ** 2 + 1).split()
    told = classes[int(rng.integers(len(classes)))], tuple(classes)
    sense = int(rng.integers(3))
    if sense == 0:
        return TagsRecord(picture(rng), *told)
    return VideoTagsRecord(Film(rng), *told) if sense == 1 else SoundTagsRecord(wave(rng), *told)


def wave(rng: Rng) -> np.ndarray:
    return rng.uniform(-1, 1, int(rng.integers(8_000, 200_000))).astype(np.float32)


def scene_text(rng: Rng) -> SceneTextRecord:
    """Some texts cannot be read."""
    found = regions(rng)
    texts = tuple(words(rng, int(rng.integers(1, 3))) * (rng.random() < 0.8) for _ in found.boxes)
    return SceneTextRecord(found.image, found.boxes, texts)


def events(rng: Rng) -> EventsRecord:
    """Things that come once or several times, some at the same time."""
    film, phrases = Film(rng), words(rng, 3).split()
    happened = []
    for _ in range(int(rng.integers(1, 8))):
        start, end = np.sort(rng.uniform(0, film.seconds, 2)).tolist()
        happened.append((start, end, phrases[int(rng.integers(3))]))
    return EventsRecord(film, tuple(happened))


def sound_source(rng: Rng) -> SoundSourceRecord:
    film, count = Film(rng), int(rng.integers(1, 4))
    film.has_sound = bool(rng.random() < 0.9)
    boxes = np.sort(rng.uniform(0, 20, (count, 2, 2)), axis=1).reshape(count, 4).astype(np.float32)
    return SoundSourceRecord(film, float(rng.uniform(0, film.seconds)), boxes)


def relations(rng: Rng) -> RelationsRecord:
    found = regions(rng)
    count = len(found.boxes)
    pairs = rng.integers(0, count, (int(rng.integers(1, 8)), 2)).tolist()
    return RelationsRecord(found.image, found.boxes, tuple((a, words(rng, 2), b) for a, b in pairs))


def referring(rng: Rng) -> RegionsRecord:
    """Some phrases mean one region, some two."""
    found = regions(rng)
    phrases = [words(rng, 3) for _ in found.boxes]
    names = [phrases[int(rng.integers(len(phrases)))] if rng.random() < 0.3 else each for each in phrases]
    return RegionsRecord(found.image, found.boxes, tuple(names), found.masks)


def cuboids(rng: Rng) -> CuboidsRecord:
    found = regions(rng)
    count = len(found.boxes)
    turns, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    turns[:, :, 2] *= np.linalg.det(turns)[:, None]
    held = Cuboids(rng.random((count, 2)), rng.uniform(0, 0.1, count), rng.uniform(0, 6, (count, 3)), turns)
    return CuboidsRecord(found.image, found.boxes, held)


def flow(rng: Rng) -> FlowRecord:
    before = picture(rng)
    field = rng.uniform(-14, 14, (*before.shape[:2], 2)).astype(np.float32)
    return FlowRecord(before, picture(rng, *before.shape[:2]), field)


def track(rng: Rng) -> TrackRecord:
    """A thing that is not seen in some frames."""
    count = int(rng.integers(2, 12))
    corners = np.sort(rng.uniform(0, 20, (count, 2, 2)), axis=1).reshape(count, 4).astype(np.float32)
    corners[rng.random(count) < 0.2] = -1
    return TrackRecord(tuple(picture(rng, 20, 24) for _ in range(count)), corners, words(rng, 2))


def control(rng: Rng) -> TrajectoryRecord:
    length = int(rng.integers(2, 9))
    controls = ControlSpace(("translation x", "gripper"), (-1.0, 0.0), (1.0, 1.0), ("gripper",))
    actions = np.stack([rng.uniform(-1, 1, length), rng.integers(0, 2, length)], axis=1).astype(np.float32)
    frames = {camera: [picture(rng, 12, 16) for _ in range(length)] for camera in ("front", "wrist")}
    states = np.zeros((length, 0), np.float32)
    return TrajectoryRecord(words(rng, 6), frames, actions, states, controls, 5.0)


def episode(name: str, rng: Rng) -> SimpleNamespace:
    """A stored episode of one of our bodies: random actions, and pictures that never come twice."""
    body, length = embodiments.get(name), int(rng.integers(2, 8))
    states = rng.uniform(-3, 3, (length, len(body.state_names))).astype(np.float32)
    if name == "vima":
        states[:] = np.eye(2, dtype=np.float32)[int(rng.integers(2))]
    if name == "household":
        states[:, -1] = rng.integers(0, 2, length)
    actions = [body.random_action(state, rng) for state in states]
    size = (128, 256) if name == "vima" else (24, 24)
    prompt, assets = words(rng, 4) + ".", {}
    if name == "vima" and rng.random() < 0.5:
        shown = {camera: picture(rng, *size).transpose(2, 0, 1) for camera in body.cameras}
        info = {"obj_id": 0, "obj_name": words(rng, 1), "obj_color": words(rng, 1)}
        assets = {
            "thing": {"rgb": shown, "segm": {"obj_info": info}, "placeholder_type": "object"},
        }
        prompt = words(rng, 2) + " {thing} ."
    return SimpleNamespace(
        embodiment=name,
        task="",
        prompt=prompt,
        prompt_assets=assets,
        length=length,
        success=bool(rng.random() < 0.7),
        states=states,
        actions=np.stack([body.vector(body.checked(action)) for action in actions]),
        action_texts=[
            body.action_text(action, state, step)
            for step, (action, state) in enumerate(zip(actions, states, strict=True))
        ],
        expert_texts=[""] * length,
        frames={camera: [picture(rng, *size) for _ in range(length)] for camera in body.cameras},
        final={camera: picture(rng, *size) for camera in body.cameras},
        objects=[[]] * length,
        final_objects=[],
    )


RECORDS = {
    "text": lambda rng: TextRecord(words(rng, int(rng.integers(3, 300)))),
    "image_text": image_text,
    "sound": lambda rng: SoundTextRecord(wave(rng), words(rng, 6)),
    "video": video,
    "document": document,
    "pairs": pairs,
    "two_views": views,
    "camera_pose": views,
    "masks": regions,
    "patches": regions,
    "regions": regions,
    "dense": dense,
    "people": people,
    "question": question,
    "prompted_video": video,
    "tags": tags,
    "scene_text": scene_text,
    "event_times": events,
    "sound_source": sound_source,
    "relations": relations,
    "referring": referring,
    "cuboids": cuboids,
    "tracking": track,
    "flow": flow,
    "image_edit": lambda rng: EditRecord(picture(rng), words(rng, 2) + ".", picture(rng)),
    "trajectory": lambda rng: episode(("vima", "navigation", "household")[int(rng.integers(3))], rng),
    "control": control,
}
"""Builder to a function that draws one of its records."""


def records(name: str, count: int, seed: int = 0) -> Iterator:
    for number in range(count):
        yield RECORDS[name](np.random.default_rng([seed, number]))
