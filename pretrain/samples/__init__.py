"""Training examples of every kind of source: a record and a random generator in, a `Sample` out.

| builder | record | what is asked |
| --- | --- | --- |
| text | TextRecord | mend it (R, X), go on with it (S) |
| image_text | ImageTextRecord | its text, its image |
| sound | SoundTextRecord | its text, its sound |
| video | VideoRecord | its words, its last frame, the sound of that |
| document | DocumentRecord | an image or a paragraph of the page |
| pairs | PairsRecord | mend a caption, caption the marked image, caption all |
| two_views | ViewsRecord | a noisy view, with the help of another |
| camera_pose | ViewsRecord | another view, the move of the camera |
| masks | RegionsRecord | the mask of a region told by points or a box |
| patches | RegionsRecord | boxes or number of the shapes pasted onto an image |
| regions | RegionsRecord | boxes, points, classes, numbers, masks; the image from a mask; a hidden box |
| dense | DenseRecord | depth, normals; the image from its depth |
| people | PeopleRecord | the joints of a person |
| question | QuestionRecord, VideoQuestionRecord | the answer |
| prompted_video | VideoRecord | its caption, its next frame, its sound, in words |
| tags | TagsRecord, VideoTagsRecord, SoundTagsRecord | the class |
| relations | RelationsRecord | how two things relate |
| referring | RegionsRecord | box or mask of what words mean, words for a box |
| cuboids | CuboidsRecord | the 3-D box of a thing |
| tracking | TrackRecord | the box in the next frame |
| scene_text | SceneTextRecord | the texts in an image with their boxes, or alone |
| event_times | EventsRecord | when something is done or heard |
| sound_source | SoundSourceRecord | the box of what is heard |
| flow | FlowRecord | the motion between two frames as a picture |
| image_edit | EditRecord | the image after a change |
| trajectory | StoredEpisode | action, next view and state, goal, instruction, verdict |
| control | TrajectoryRecord | the same of a robot that only numbers describe |

Each is `build(record, rng, options, context)`: what is drawn depends on the generator alone, and nothing of
the record is changed. A target has one modality, and nothing of it is in the request but what "R" and "X"
leave visible. Builders know no source and no order of examples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from pretrain.errors import TrainingError
from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.sample import Hidden, Sample
from uio2_agent.config import INPUT_MODALITIES, TARGET_MODALITIES
from uio2_agent.errors import did_you_mean
from uio2_agent.fields import build as build_fields

__all__ = ["BUILDERS", "Builder", "Context", "Hidden", "Sample", "UnusableRecord", "builder"]

BUILDERS: Mapping[str, str] = {
    "text": "TextMixture",
    "image_text": "ImageTextOptions",
    "sound": "SoundOptions",
    "video": "VideoOptions",
    "document": "DocumentOptions",
    "pairs": "PairsOptions",
    "two_views": "TwoViewOptions",
    "camera_pose": "CameraPoseOptions",
    "masks": "MaskOptions",
    "patches": "PatchOptions",
    "regions": "RegionsOptions",
    "dense": "DenseOptions",
    "people": "PeopleOptions",
    "question": "QuestionOptions",
    "prompted_video": "PromptedVideoOptions",
    "tags": "TagsOptions",
    "relations": "RelationsOptions",
    "referring": "ReferringOptions",
    "cuboids": "CuboidsOptions",
    "tracking": "TrackingOptions",
    "scene_text": "SceneTextOptions",
    "event_times": "EventTimesOptions",
    "sound_source": "SoundSourceOptions",
    "flow": "FlowOptions",
    "image_edit": "ImageEditOptions",
    "trajectory": "TrajectoryOptions",
    "control": "ControlOptions",
}
"""Name, which is that of its module here, to the class of its options."""


@dataclass(frozen=True)
class Builder:
    """A builder with its options, for one source of a mixture."""

    name: str
    options: Any
    _build: Callable[[Any, np.random.Generator, Any, Context], Sample]

    def __call__(self, record: Any, rng: np.random.Generator, context: Context, source: str = "") -> Sample:
        """Return a sample of a record.

        Raises:
            UnusableRecord: Nothing can be asked of this record, or only what the model cannot take or answer:
                in another modality, or in more tokens than it takes.
        """
        sample = replace(self._build(record, rng, self.options, context), source=source)
        _check(sample, context)
        return sample


def _check(sample: Sample, context: Context) -> None:
    """Raise UnusableRecord where the model has no room for a sample; nothing is cut without a word."""
    target, known = sample.target, context.config.target_modalities
    held = next(name for name in TARGET_MODALITIES if getattr(target, name) is not None)
    if held not in known:
        raise UnusableRecord(f"the answer is of {held}, and the model answers with {', '.join(known)}")
    for sense in INPUT_MODALITIES[1:]:
        piece = getattr(sample.request, sense)
        if piece is not None and len(piece) and sense not in context.config.input_modalities:
            raise UnusableRecord(f"the request shows {sense}, which the model does not take")
    texts = [("request", sample.request.text, context.text_room)]
    if target.text is not None:
        texts.append(("answer", target.text, context.answer_room))
    for what, text, room in texts:
        length = len(context.tokenizer.encode(text) if isinstance(text, str) else text)
        if length > room:
            raise UnusableRecord(f"the {what} has {length} tokens, and the model takes {room}")


def builder(name: str, options: Mapping[str, Any] | None = None) -> Builder:
    """Return the builder of a name with options, plain values; those left out have their defaults.

    Raises:
        TrainingError: There is no such builder.
        FieldError: An option is unknown or out of range.
    """
    if name not in BUILDERS:
        known = ", ".join(BUILDERS)
        raise TrainingError(f"there is no sample builder {name!r}{did_you_mean(name, BUILDERS)}: use {known}")
    module = import_module(f"{__name__}.{name}")
    made = build_fields(getattr(module, BUILDERS[name]), options or {}, f"options of {name}")
    return Builder(name, made, module.build)
