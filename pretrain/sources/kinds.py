"""What fields mean: the kinds of examples, where each looks for its parts, and the records they make.

| kind | parts (names of fields, the first that is there counts) | record |
| --- | --- | --- |
| text | text | TextRecord |
| image_text | image, text | ImageTextRecord |
| sound_text | sound, text | SoundTextRecord |
| video | video; text or transcript, if any | VideoRecord |
| document | texts and images, lists of one length: at each place one of the two | DocumentRecord |
| views | images; poses, if any | ViewsRecord |
| question | question, answer; image or images, if any | QuestionRecord |
| dense | image; depth (16-bit, millimetres), farthest (metres), normals (picture), text | DenseRecord |
| people | image, boxes, joints (x, y, seen; COCO's 17) | PeopleRecord |
| tags | image, tag, classes | TagsRecord |
| relations | image, boxes, relations: objects with subject, word, object | RelationsRecord |
| cuboids | image, boxes, cuboids (u v, depth, log w h l, nine of a rotation, row by row) | CuboidsRecord |
| flow | before, after, flow (an .npy), fastest (pixels) | FlowRecord |
| edit | before, instruction, after | EditRecord |
| track | images, boxes (one each; -1 unseen), tag | TrackRecord |
| video_question | video, question, answer | VideoQuestionRecord |
| video_tags, sound_tags | video or sound, tag, classes | VideoTagsRecord, SoundTagsRecord |
| scene_text | image, boxes, texts (one each; empty where it cannot be read) | SceneTextRecord |
| events | video, events: objects with start, end (seconds), phrase | EventsRecord |
| sound_source | video, second, boxes (in the frame of that second) | SoundSourceRecord |
| regions | image; boxes (y1 x1 y2 x2) with names and masks, if any, or SA-1B's annotations | RegionsRecord |

Fields are files of a tar shard or a folder, by ending, or columns of a table. The keys of a `json` file are
fields too. A list of images is a column, or the files `0.png`, `1.png`, …; an entry may also name a field.
`columns=` says where a part lies that has a name of its own.

A transcript is a list of [second, words], or of `second` and `text`.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pretrain.sources import masks
from pretrain.sources.file_folders import IMAGES, SOUNDS, VIDEOS
from pretrain.sources.films import EncodedFilm
from pretrain.sources.records import (
    CuboidsRecord,
    DenseRecord,
    DocumentRecord,
    EditRecord,
    EventsRecord,
    FlowRecord,
    ImageTextRecord,
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
    VideoQuestionRecord,
    VideoRecord,
    VideoTagsRecord,
    ViewsRecord,
)
from uio2_agent.labels.cuboids import Cuboids
from uio2_agent.labels.keypoints import JOINTS
from uio2_agent.media.audio import read_audio
from uio2_agent.media.loading import load_image
from uio2_agent.media.pixels import picture_to_rgb

_TEXT = ("text", "txt", "caption", "content")
NAMES: Mapping[str, tuple[str, ...]] = {
    "text": _TEXT,
    "image": ("image", *IMAGES, "img"),
    "sound": ("sound", *SOUNDS, "audio"),
    "video": ("video", *VIDEOS),
    "transcript": ("transcript",),
    "texts": ("texts", "paragraphs"),
    "images": ("images",),
    "poses": ("poses",),
    "boxes": ("boxes",),
    "names": ("names", "labels"),
    "masks": ("masks", "masks.png"),
    "annotations": ("annotations",),
    "question": ("question",),
    "answer": ("answer",),
    "depth": ("depth", "depth.png"),
    "farthest": ("farthest",),
    "normals": ("normals", "normals.png"),
    "joints": ("joints", "keypoints"),
    "tag": ("tag", "class", "cls"),
    "classes": ("classes",),
    "relations": ("relations",),
    "cuboids": ("cuboids",),
    "before": ("before", "before.png", "before.jpg"),
    "after": ("after", "after.png", "after.jpg"),
    "instruction": ("instruction",),
    "flow": ("flow", "flow.npy"),
    "fastest": ("fastest",),
    "events": ("events",),
    "second": ("second",),
}
"""Part to the fields that may hold it."""


@dataclass(frozen=True)
class Kind:
    """A kind of examples: the parts it needs, those it may have, and how they make a record."""

    needs: tuple[str, ...]
    may: tuple[str, ...]
    record: Callable[[Mapping[str, Any]], Any]
    """Parts to the record; any exception means that they are damaged."""


def fields_of(kind: str, columns: Mapping[str, str] | None = None) -> list[str]:
    """Return all fields that a kind looks for: the columns of a table that are worth reading."""
    parts = (*KINDS[kind].needs, *KINDS[kind].may)
    return [name for part in parts for name in NAMES[part]] + list((columns or {}).values()) + ["json"]


def _picture(value: Any) -> np.ndarray:
    if isinstance(value, bytes):
        with Image.open(io.BytesIO(value)) as picture:
            return picture_to_rgb(picture)
    if isinstance(value, str):
        raise ValueError(f"{value!r} is an address or a name, not a picture: fetch the pictures first")
    return load_image(np.asarray(value))


def _text(parts: Mapping[str, Any]) -> TextRecord:
    return TextRecord(_filled(parts["text"]))


def _filled(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "its text is empty" if isinstance(text, str) else f"its text is {type(text).__name__}"
        )
    return text


def _image_text(parts: Mapping[str, Any]) -> ImageTextRecord:
    return ImageTextRecord(_picture(parts["image"]), _filled(parts["text"]))


def _sound_text(parts: Mapping[str, Any]) -> SoundTextRecord:
    return SoundTextRecord(read_audio(parts["sound"], what="the sound"), _filled(parts["text"]))


def _video(parts: Mapping[str, Any]) -> VideoRecord:
    said = tuple((second, words) for second, words in parts.get("transcript", ()))
    if [second for second, _ in said] != sorted(second for second, _ in said):
        raise ValueError("its transcript is not in order of time")
    return VideoRecord(EncodedFilm(parts["video"]), str(parts.get("text", "")), said)


def _document(parts: Mapping[str, Any]) -> DocumentRecord:
    texts, images = parts["texts"], parts["images"]
    if len(texts) != len(images):
        raise ValueError(f"it has {len(texts)} texts and {len(images)} images: one of both at each place")
    found = []
    for text, image in zip(texts, images, strict=True):
        if (text is None) == (image is None):
            raise ValueError("a place of it holds both a text and an image, or neither")
        found.append(_picture(image) if text is None else _filled(text))
    return DocumentRecord(tuple(found))


def _views(parts: Mapping[str, Any]) -> ViewsRecord:
    images = tuple(_picture(image) for image in parts["images"])
    poses = parts.get("poses")
    if poses is not None:
        poses = np.asarray(poses, np.float64)
        if poses.shape != (len(images), 3) or not np.isfinite(poses).all():
            raise ValueError(f"{len(images)} views have poses {list(poses.shape)}, not three numbers each")
    return ViewsRecord(images, poses)


def _regions(parts: Mapping[str, Any]) -> RegionsRecord:
    image = _picture(parts["image"])
    size = image.shape[:2]
    found = None
    if "annotations" in parts:
        found = masks.from_annotations(parts["annotations"], size)
    elif "masks" in parts:
        found = masks.from_picture(parts["masks"], size)
    boxes = masks.boxes_of(found) if "boxes" not in parts else np.asarray(parts["boxes"], np.float32)
    boxes = boxes.reshape(-1, 4)
    names: Sequence[str] = tuple(parts.get("names", ()))
    if len(names) not in (0, len(boxes)) or (found is not None and len(found) != len(boxes)):
        raise ValueError(
            f"{len(boxes)} boxes, {len(names)} names and {'no' if found is None else len(found)} masks"
        )
    return RegionsRecord(image, boxes, names, found)


def _question(parts: Mapping[str, Any]) -> QuestionRecord:
    images = parts.get("images", [parts["image"]] if "image" in parts else [])
    return QuestionRecord(
        _filled(parts["question"]), _filled(parts["answer"]), tuple(_picture(image) for image in images)
    )


def _dense(parts: Mapping[str, Any]) -> DenseRecord:
    image = _picture(parts["image"])
    depth = _levels(parts["depth"]) / np.float32(1000) if "depth" in parts else None
    normals = _levels(parts["normals"]) / np.float32(127.5) - 1 if "normals" in parts else None
    for what, found in (("depth", depth), ("normals", normals)):
        if found is not None and found.shape[:2] != image.shape[:2]:
            raise ValueError(f"its {what} is {list(found.shape[:2])}, its image {list(image.shape[:2])}")
    farthest = float(parts.get("farthest", DenseRecord.farthest))
    return DenseRecord(image, depth, farthest, normals, str(parts.get("text", "")))


def _levels(content: bytes) -> np.ndarray:
    """Return the numbers of a picture as they are, float32."""
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture).astype(np.float32)


def _people(parts: Mapping[str, Any]) -> PeopleRecord:
    boxes = np.asarray(parts["boxes"], np.float32).reshape(-1, 4)
    joints = np.asarray(parts["joints"], np.float32)
    if joints.shape != (len(boxes), len(JOINTS), 3):
        raise ValueError(f"{len(boxes)} boxes and joints {list(joints.shape)}, not [{len(boxes)}, 17, 3]")
    return PeopleRecord(_picture(parts["image"]), boxes, joints)


def _tags(parts: Mapping[str, Any]) -> TagsRecord:
    return TagsRecord(_picture(parts["image"]), *_class(parts))


def _video_tags(parts: Mapping[str, Any]) -> VideoTagsRecord:
    return VideoTagsRecord(EncodedFilm(parts["video"]), *_class(parts))


def _sound_tags(parts: Mapping[str, Any]) -> SoundTagsRecord:
    return SoundTagsRecord(read_audio(parts["sound"], what="the sound"), *_class(parts))


def _class(parts: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The class, and all that there are."""
    return _filled(parts["tag"]), tuple(map(_filled, parts["classes"]))


def _boxes(parts: Mapping[str, Any]) -> np.ndarray:
    return np.asarray(parts["boxes"], np.float32).reshape(-1, 4)


def _relations(parts: Mapping[str, Any]) -> RelationsRecord:
    boxes = _boxes(parts)
    found = tuple(
        (int(each["subject"]), _filled(each["word"]), int(each["object"])) for each in parts["relations"]
    )
    if not all(0 <= place < len(boxes) for first, _, second in found for place in (first, second)):
        raise ValueError(f"a relation of it is of a thing that is none of its {len(boxes)} boxes")
    return RelationsRecord(_picture(parts["image"]), boxes, found)


def _cuboids(parts: Mapping[str, Any]) -> CuboidsRecord:
    boxes = _boxes(parts)
    numbers = np.asarray(parts["cuboids"], np.float64)
    if numbers.shape != (len(boxes), 15) or not np.isfinite(numbers).all():
        raise ValueError(f"{len(boxes)} boxes have cuboids {list(numbers.shape)}, not 15 numbers each")
    turns = numbers[:, 6:].reshape(-1, 3, 3)
    cuboids = Cuboids(numbers[:, :2], numbers[:, 2], numbers[:, 3:6], turns)
    return CuboidsRecord(_picture(parts["image"]), boxes, cuboids)


def _flow(parts: Mapping[str, Any]) -> FlowRecord:
    before, after = _picture(parts["before"]), _picture(parts["after"])
    flow = np.load(io.BytesIO(parts["flow"]), allow_pickle=False).astype(np.float32)
    if flow.shape != (*before.shape[:2], 2) or before.shape != after.shape:
        raise ValueError(f"its flow is {list(flow.shape)}, its frames {before.shape} and {after.shape}")
    return FlowRecord(before, after, flow, float(parts.get("fastest", FlowRecord.fastest)))


def _edit(parts: Mapping[str, Any]) -> EditRecord:
    return EditRecord(_picture(parts["before"]), _filled(parts["instruction"]), _picture(parts["after"]))


def _track(parts: Mapping[str, Any]) -> TrackRecord:
    images, boxes = tuple(_picture(image) for image in parts["images"]), _boxes(parts)
    if len(images) != len(boxes) or len({image.shape for image in images}) != 1:
        raise ValueError(f"{len(boxes)} boxes and {len(images)} frames: one each, all of one size")
    return TrackRecord(images, boxes, _filled(parts["tag"]))


def _video_question(parts: Mapping[str, Any]) -> VideoQuestionRecord:
    return VideoQuestionRecord(
        EncodedFilm(parts["video"]), _filled(parts["question"]), _filled(parts["answer"])
    )


def _scene_text(parts: Mapping[str, Any]) -> SceneTextRecord:
    boxes, texts = _boxes(parts), tuple(parts["texts"])
    if len(boxes) != len(texts) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{len(boxes)} boxes and {len(texts)} texts: one each, empty where it is not known")
    return SceneTextRecord(_picture(parts["image"]), boxes, texts)


def _events(parts: Mapping[str, Any]) -> EventsRecord:
    events = tuple(
        (float(each["start"]), float(each["end"]), _filled(each["phrase"])) for each in parts["events"]
    )
    if wrong := [event for event in events if not 0 <= event[0] < event[1] < float("inf")]:
        raise ValueError(f"{wrong[0][2]!r} goes from {wrong[0][0]} to {wrong[0][1]} s: a start comes first")
    return EventsRecord(EncodedFilm(parts["video"]), events)


def _sound_source(parts: Mapping[str, Any]) -> SoundSourceRecord:
    film, second = EncodedFilm(parts["video"]), float(parts["second"])
    if not 0 <= second <= film.seconds:
        raise ValueError(f"its boxes are of second {second}, and it lasts {film.seconds:g} s")
    return SoundSourceRecord(film, second, _boxes(parts))


KINDS: Mapping[str, Kind] = {
    "text": Kind(("text",), (), _text),
    "image_text": Kind(("image", "text"), (), _image_text),
    "sound_text": Kind(("sound", "text"), (), _sound_text),
    "video": Kind(("video",), ("text", "transcript"), _video),
    "document": Kind(("texts", "images"), (), _document),
    "views": Kind(("images",), ("poses",), _views),
    "question": Kind(("question", "answer"), ("images", "image"), _question),
    "dense": Kind(("image",), ("depth", "farthest", "normals", "text"), _dense),
    "people": Kind(("image", "boxes", "joints"), (), _people),
    "tags": Kind(("image", "tag", "classes"), (), _tags),
    "relations": Kind(("image", "boxes", "relations"), (), _relations),
    "cuboids": Kind(("image", "boxes", "cuboids"), (), _cuboids),
    "flow": Kind(("before", "after", "flow"), ("fastest",), _flow),
    "edit": Kind(("before", "instruction", "after"), (), _edit),
    "track": Kind(("images", "boxes", "tag"), (), _track),
    "video_question": Kind(("video", "question", "answer"), (), _video_question),
    "video_tags": Kind(("video", "tag", "classes"), (), _video_tags),
    "sound_tags": Kind(("sound", "tag", "classes"), (), _sound_tags),
    "scene_text": Kind(("image", "boxes", "texts"), (), _scene_text),
    "events": Kind(("video", "events"), (), _events),
    "sound_source": Kind(("video", "second", "boxes"), (), _sound_source),
    "regions": Kind(("image",), ("boxes", "names", "masks", "annotations"), _regions),
}
