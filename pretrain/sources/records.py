"""What a source holds: one dataclass for each kind of example, before anything is drawn, hidden or tokenised.

Images are uint8 [height, width, 3]; boxes float32 (y1, x1, y2, x2) in pixels of their image. What is costly
(the frames of a video, the pictures of an episode) is decoded when it is asked for. Texts are as they were
stored, neither lower-cased nor cut.

It refuses to know what is asked of an example: that is the sample builders' business (`pretrain.samples`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from uio2_agent.labels.controls import ControlSpace
from uio2_agent.labels.cuboids import Cuboids


@dataclass(frozen=True)
class TextRecord:
    """One document."""

    text: str


@dataclass(frozen=True)
class ImageTextRecord:
    """An image and the text that goes with it."""

    image: np.ndarray
    text: str


@dataclass(frozen=True)
class PairsRecord:
    """Several images, each with its caption, that have nothing else in common."""

    pairs: tuple[ImageTextRecord, ...]


@dataclass(frozen=True)
class SoundTextRecord:
    """A sound and the text that goes with it."""

    wave: np.ndarray
    """float32 [samples] in [-1, 1], mono, 16 kHz; `uio2_agent.media.audio.segments` cuts it."""
    text: str


class Film(Protocol):
    """A video whose frames and sounds are decoded when asked for."""

    seconds: float
    """How long it lasts; times count from 0."""
    has_sound: bool

    def frames(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the frame on screen at each time, all of one size."""

    def sounds(self, times: Sequence[float]) -> list[np.ndarray]:
        """Return the spectrogram, linear mel power float32 [256, 128], of the 4.08 s around each time; what
        lies before the start or after the end is silent. Raises DatasetError where there is no sound.
        """


@dataclass(frozen=True)
class VideoRecord:
    """A video with the words that go with it: a transcript, aligned, or a caption of the whole."""

    film: Film
    caption: str = ""
    transcript: tuple[tuple[float, str], ...] = ()
    """Second at which words begin, and the words, in order of time."""


@dataclass(frozen=True)
class DocumentRecord:
    """Paragraphs (str) and images, in the order of the page."""

    parts: tuple[str | np.ndarray, ...]


@dataclass(frozen=True)
class ViewsRecord:
    """Several views of one thing or one room."""

    images: tuple[np.ndarray, ...]
    poses: np.ndarray | None = None
    """float64 [views, 3]: where the camera is on a sphere around the thing it looks at, polar angle θ and
    azimuth φ in radians, radius r; None where nobody knows."""


@dataclass(frozen=True)
class RegionsRecord:
    """An image and the regions in it, each by its box, some by a mask and a name."""

    image: np.ndarray
    boxes: np.ndarray
    """float32 [regions, 4]: y1 x1 y2 x2, the last row and column not included."""
    names: tuple[str, ...] = ()
    """One for each box, or none."""
    masks: np.ndarray | None = None
    """bool [regions, height, width]."""


@dataclass(frozen=True)
class TrajectoryRecord:
    """An episode of T steps of a body that only numbers describe: any robot's.

    Our own bodies' episodes are `StoredEpisode`s, which know words for their actions.
    """

    instruction: str
    frames: Mapping[str, Sequence[np.ndarray]]
    """Camera to T pictures, the one of step t seen before its action; decoded when looked at."""
    actions: np.ndarray
    """float32 [T, A], in the order of `controls.names`."""
    states: np.ndarray
    """float32 [T, S]; S is 0 where there are none."""
    controls: ControlSpace
    """Names of the dimensions and their ranges, 1st to 99th percentile of the whole data set."""
    fps: float
    success: bool | None = None
    """None where the data do not say."""


@dataclass(frozen=True)
class QuestionRecord:
    """A question about images, or about nothing but itself, and its short answer."""

    question: str
    answer: str
    images: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class DenseRecord:
    """An image and what is known of each of its pixels."""

    image: np.ndarray
    depth: np.ndarray | None = None
    """float32 [height, width], metres; 0 and beyond `farthest` where nobody knows."""
    farthest: float = 10.0
    """The largest depth of the data set, metres."""
    normals: np.ndarray | None = None
    """float32 [height, width, 3], x y z of length 1, or 0 where nobody knows."""
    caption: str = ""


@dataclass(frozen=True)
class PeopleRecord:
    """An image and the people in it."""

    image: np.ndarray
    boxes: np.ndarray
    """float32 [people, 4]: y1 x1 y2 x2, the last row and column not included."""
    joints: np.ndarray
    """float32 [people, 17, 3]: x y in pixels and whether it can be seen, in the order of
    `uio2_agent.labels.JOINTS`."""


@dataclass(frozen=True)
class TagsRecord:
    """An image and its class, one of a list."""

    image: np.ndarray
    tag: str
    classes: tuple[str, ...]
    """All classes there are, or the rest of them; the image's own need not be among them."""


@dataclass(frozen=True)
class RelationsRecord:
    """An image and how the things in it relate to each other."""

    image: np.ndarray
    boxes: np.ndarray
    """float32 [things, 4]: y1 x1 y2 x2, the last row and column not included."""
    relations: tuple[tuple[int, str, int], ...]
    """Number of the subject's box, the word, number of the object's box."""


@dataclass(frozen=True)
class CuboidsRecord:
    """An image and the 3-D boxes of things in it."""

    image: np.ndarray
    boxes: np.ndarray
    """float32 [things, 4]: y1 x1 y2 x2, the last row and column not included."""
    cuboids: Cuboids
    """One for each box, its centre relative to the box."""


@dataclass(frozen=True)
class FlowRecord:
    """Two frames and how the pixels of the first move."""

    before: np.ndarray
    after: np.ndarray
    flow: np.ndarray
    """float32 [height, width, 2]: pixels to the right and down."""
    fastest: float = 20.0
    """The largest movement of the data set, pixels."""


@dataclass(frozen=True)
class EditRecord:
    """An image, what to change of it, and the changed image."""

    before: np.ndarray
    instruction: str
    after: np.ndarray


@dataclass(frozen=True)
class TrackRecord:
    """Frames of a video in order, and one thing that is followed in them."""

    images: tuple[np.ndarray, ...]
    """All of one size."""
    boxes: np.ndarray
    """float32 [frames, 4]: y1 x1 y2 x2, the last row and column not included; -1 where it is not seen."""
    name: str


@dataclass(frozen=True)
class VideoQuestionRecord:
    """A question about a video, and its short answer."""

    film: Film
    question: str
    answer: str


@dataclass(frozen=True)
class VideoTagsRecord:
    """A video and its class, one of a list."""

    film: Film
    tag: str
    classes: tuple[str, ...]
    """As those of an image."""


@dataclass(frozen=True)
class SoundTagsRecord:
    """A sound and its class, one of a list."""

    wave: np.ndarray
    """float32 [samples] in [-1, 1], mono, 16 kHz."""
    tag: str
    classes: tuple[str, ...]
    """As those of an image."""


@dataclass(frozen=True)
class SceneTextRecord:
    """An image and what is written in it."""

    image: np.ndarray
    boxes: np.ndarray
    """float32 [texts, 4]: y1 x1 y2 x2, the last row and column not included."""
    texts: tuple[str, ...]
    """One for each box, in the order of reading; empty where nobody can read it."""


@dataclass(frozen=True)
class EventsRecord:
    """A video and what is done, or heard, when."""

    film: Film
    events: tuple[tuple[float, float, str], ...]
    """Start and end in seconds, and what it is; one thing may come several times."""


@dataclass(frozen=True)
class SoundSourceRecord:
    """A video, a time in it, and where in that frame the things are that are heard then."""

    film: Film
    second: float
    boxes: np.ndarray
    """float32 [things, 4]: y1 x1 y2 x2, the last row and column not included."""
