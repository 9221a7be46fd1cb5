"""Generated data sets as sources: example i of a seed is always the same, and nothing is stored."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np

from pretrain.generated import events, labelled, lettering, moving, people, questions, rooms, shapes, texts
from pretrain.sources.films import ArrayFilm
from pretrain.sources.records import (
    DenseRecord,
    DocumentRecord,
    ImageTextRecord,
    PairsRecord,
    PeopleRecord,
    RegionsRecord,
    SoundTextRecord,
    TextRecord,
    VideoRecord,
    ViewsRecord,
)
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import Source, checked_index, digest, identity_of
from uio2_agent.errors import did_you_mean, offered

SIZE = 96
"""Height and width of all pictures."""
_VERSION = 1
"""Of what the code makes: another one makes other examples of the same seed."""


class GeneratedSource(Source):
    """So many examples of a kind (`MAKERS`), made from (seed, index) when asked for.

    Raises DatasetError for a kind of which nothing is generated; trajectories are collected in simulators.
    """

    def __init__(self, name: str, kind: str, count: int, seed: int = 0):
        if kind not in MAKERS:
            raise DatasetError(
                f"source {name}: nothing of kind {kind!r} is generated{did_you_mean(kind, MAKERS)}: use "
                f"{offered(kind, MAKERS)}"
            )
        if count < 1:
            raise DatasetError(f"source {name} is to have {count} examples: give at least one")
        self.name, self.kind = name, kind
        self._count, self._seed = count, seed

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Any:
        """Return the record at an index."""
        return MAKERS[self.kind](np.random.default_rng([self._seed, checked_index(index, self)]))

    def key(self, index: int) -> str:
        """Return a digest of what the example is made from."""
        return digest([self.kind, str(_VERSION), str(self._seed), str(checked_index(index, self))])

    @cached_property
    def identity(self) -> str:
        """The number of examples and a digest of what they are made from."""
        return identity_of(len(self), [self.kind, str(_VERSION), str(self._seed)])


def _text(rng: np.random.Generator) -> TextRecord:
    return TextRecord(texts.story(rng) if rng.random() < 0.7 else texts.counting(rng))


def _image_text(rng: np.random.Generator) -> ImageTextRecord:
    still, things = shapes.scene(rng, (SIZE, SIZE), 3)
    return ImageTextRecord(shapes.pasted(still, things)[0], shapes.described(things))


def _pairs(rng: np.random.Generator) -> PairsRecord:
    return PairsRecord(tuple(_image_text(rng) for _ in range(int(rng.integers(2, 6)))))


def _sound_text(rng: np.random.Generator) -> SoundTextRecord:
    return SoundTextRecord(*moving.melody(rng, 4.08))


def _video(rng: np.random.Generator) -> VideoRecord:
    frames, wave, said = moving.moving_shapes(rng, (SIZE, SIZE), moving.SECONDS, moving.FPS)
    film = ArrayFilm(frames, moving.FPS, wave)
    if rng.random() < 0.5:
        return VideoRecord(film, transcript=tuple(said))
    return VideoRecord(film, caption=", then ".join(words for _, words in said))


def _document(rng: np.random.Generator) -> DocumentRecord:
    parts: list[str | np.ndarray] = []
    for number in range(int(rng.integers(2, 5))):
        record = _image_text(rng)
        parts += [f"figure {number + 1} shows {record.text}.", record.image]
    return DocumentRecord((*parts, texts.counting(rng)))


def _views(rng: np.random.Generator) -> ViewsRecord:
    things = rooms.balls(rng, int(rng.integers(2, 5)))
    poses = np.stack([rooms.drawn_pose(rng) for _ in range(4)])
    return ViewsRecord(tuple(rooms.view(things, pose, SIZE) for pose in poses), poses)


def _regions(rng: np.random.Generator) -> RegionsRecord:
    still, things = shapes.scene(rng, (SIZE, SIZE), 3)
    image, masks, boxes = shapes.pasted(still, things)
    return RegionsRecord(image, boxes, tuple(thing.name for thing in things), masks)


def _patches(rng: np.random.Generator) -> RegionsRecord:
    still = shapes.background(rng, (SIZE, SIZE))
    things = shapes.drawn_shapes(rng, (SIZE, SIZE), int(rng.integers(1, 11)), largest=0.12)
    image, _, boxes = shapes.pasted(still, things)
    return RegionsRecord(image, boxes, tuple(thing.name for thing in things))


def _dense(rng: np.random.Generator) -> DenseRecord:
    """Shapes that stand on a floor that comes nearer from the top to the bottom of the picture."""
    still, things = shapes.scene(rng, (SIZE, SIZE), 3)
    floor = np.linspace(8, 2, SIZE, dtype=np.float32)
    image, masks, boxes = shapes.pasted(still, things)
    depth = np.repeat(floor[:, None], SIZE, axis=1)
    normals = np.broadcast_to(np.array((0, 1, 0), np.float32), (SIZE, SIZE, 3)).copy()
    for mask, box in zip(masks, boxes, strict=True):
        depth[mask] = floor[int(box[2]) - 1]
        normals[mask] = 0, 0, 1
    return DenseRecord(image, depth, 10.0, normals, shapes.described(things))


def _people(rng: np.random.Generator) -> PeopleRecord:
    return PeopleRecord(*people.figures(rng, shapes.background(rng, (SIZE, SIZE)), int(rng.integers(1, 3))))


MAKERS: Mapping[str, Callable[[np.random.Generator], Any]] = {
    "text": _text,
    "image_text": _image_text,
    "pairs": _pairs,
    "sound_text": _sound_text,
    "video": _video,
    "document": _document,
    "views": _views,
    "question": partial(questions.question, size=SIZE),
    "image_pair": partial(questions.image_pair, size=SIZE),
    "image_instruction": partial(questions.image_instruction, size=SIZE),
    "instruction": questions.instruction,
    "dense": _dense,
    "people": _people,
    "tags": partial(labelled.tags, size=SIZE),
    "relations": partial(labelled.relations, size=SIZE),
    "cuboids": partial(labelled.cuboids, size=SIZE),
    "flow": partial(labelled.flow, size=SIZE),
    "edit": partial(labelled.edit, size=SIZE),
    "track": partial(labelled.track, size=SIZE),
    "video_question": partial(questions.video_question, size=SIZE),
    "video_tags": partial(events.video_tags, size=SIZE),
    "sound_tags": events.sound_tags,
    "events": partial(events.actions, size=SIZE),
    "sound_events": partial(events.sounds, size=SIZE),
    "sound_source": partial(events.sound_source, size=SIZE),
    "scene_text": partial(lettering.scene_text, size=SIZE),
    "regions": _regions,
    "patches": _patches,
}
"""Kind to what makes a record of it."""
