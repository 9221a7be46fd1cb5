"""A run of a video: frames, their sounds and the words spoken with them; one of the three is asked for.

In order: how many frames in a row (4 earlier ones and the last, fewer of a short video), which modality is
the target, which of the others stay, the objective, what of the target is hidden, the tag. The target leaves
the input, or stays corrupted (R). Frames are 4.08 s apart, so that each has one segment of sound around it,
and the words spoken in that time follow its marker. Source: Unified-IO 2 (arXiv 2312.17172), section 3.3 and
figure 7; spacing, rates and what a text of S is shown are ours.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from pretrain.denoisers.objectives import TextMixture
from pretrain.denoisers.patches import AUDIO, IMAGE, PatchMasking
from pretrain.samples.context import Context, UnusableRecord, clean, cut, frame_markers, joined, pick
from pretrain.samples.denoised import corrupted, ids_of
from pretrain.samples.sample import Hidden, Sample
from pretrain.samples.shown import segment_times
from pretrain.sources.records import VideoRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """What is asked of a video. The three targets are weights: of those that a video has, one is drawn."""

    text: Rate = 1.0
    image: Rate = 1.0
    audio: Rate = 1.0
    kept: Rate = 0.5
    """How often each other part stays: words, last frame, earlier frames, last sound, earlier sounds."""
    generate: Rate = 0.5
    """Share of image and sound targets that leave the input (S); of the others a part is hidden (R)."""
    hidden_image: PatchMasking = IMAGE
    hidden_audio: PatchMasking = AUDIO
    """Which patches are hidden in R."""
    denoising: TextMixture = field(default_factory=TextMixture)
    """Objectives of text targets."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class _Run:
    """The parts of a run of N frames; what is absent or dropped is empty."""

    words: tuple[str, ...]
    """The words of each segment, of a video with a transcript; the caption alone of one without."""
    images: tuple[np.ndarray, ...]
    sounds: tuple[np.ndarray, ...]


def build(record: VideoRecord, rng: np.random.Generator, options: VideoOptions, context: Context) -> Sample:
    """Draw a run and ask for one of its modalities."""
    times = segment_times(record.film.seconds, context, rng)
    words = _spoken(record, times)
    said = any(words) or bool(record.caption)
    has_sound = record.film.has_sound and "audio" in context.config.input_modalities
    target = pick(
        {"text": options.text * said, "image": options.image, "audio": options.audio * has_sound}, rng
    )
    sounds = tuple(record.film.sounds(times)) if has_sound else ()
    if target == "audio" and not sounds[-1].any():
        target = pick({"text": options.text * said, "image": options.image}, rng)
    words = words if any(words) else (clean(record.caption),) * bool(record.caption)
    run = _Run(_fitting(words, len(times), context), tuple(record.film.frames(times)), sounds)
    stay = _staying(run, target, options.kept, rng)
    if target == "text":
        return _text(run, stay, rng, options, context)
    return _picture_or_sound(run, stay, target, rng, options, context)


def _spoken(record: VideoRecord, times: list[float]) -> tuple[str, ...]:
    """The words of each segment: those that begin within it."""
    spoken: list[list[str]] = [[] for _ in times]
    start = times[0] - SEGMENT_SECONDS / 2
    for second, words in record.transcript:
        index = int((second - start) // SEGMENT_SECONDS)
        if 0 <= index < len(times):
            spoken[index].append(clean(words))
    return tuple(joined(*words) for words in spoken)


def _fitting(words: tuple[str, ...], frames: int, context: Context) -> tuple[str, ...]:
    """The first words of each segment, as many as leave all markers their place."""
    room = min(context.text_room, context.answer_room) - 3 * frames
    if sum(len(ids_of(each, context)) for each in words) <= room:
        return words
    return tuple(cut(each, room // len(words), context.tokenizer) for each in words)


def _staying(run: _Run, target: str, kept: float, rng: np.random.Generator) -> set[str]:
    """The parts beside the target that stay in the input; at least one, where there is any."""
    parts = {
        "words": bool(run.words) and target != "text",
        "image": target != "image",
        "image_history": len(run.images) > 1,
        "audio": bool(run.sounds) and target != "audio",
        "audio_history": len(run.sounds) > 1,
    }
    there = [part for part, present in parts.items() if present]
    stay = {part for part in there if rng.random() < kept}
    return stay or {there[int(rng.integers(len(there)))]} if there else set()


def _inputs(run: _Run, stay: set[str]) -> dict[str, object]:
    """The request's pictures and sounds that stay."""
    return {
        "image": run.images[-1] if "image" in stay else None,
        "image_history": run.images[:-1] if "image_history" in stay else (),
        "audio": run.sounds[-1] if "audio" in stay else None,
        "audio_history": run.sounds[:-1] if "audio_history" in stay else (),
    }


def _marked(run: _Run, stay: set[str]) -> list[str]:
    """For each frame the markers of its picture and its sound that stay."""
    count = len(run.images)
    marked = [""] * count
    for sense in ("image", "audio"):
        for index, marker in enumerate(frame_markers(count, sense)):
            if (sense if index == count - 1 else f"{sense}_history") in stay:
                marked[index] = joined(marked[index], marker)
    return marked


def _aligned(run: _Run, stay: set[str], words: tuple[str, ...]) -> str:
    """Markers and words in order of time; a caption behind all markers."""
    marked = _marked(run, stay)
    if len(words) == len(marked):
        return joined(*(joined(*each) for each in zip(marked, words, strict=True)))
    return joined(*marked, *words)


def _text(
    run: _Run, stay: set[str], rng: np.random.Generator, options: VideoOptions, context: Context
) -> Sample:
    """Ask for the words: mended, or (S) from a segment on that is drawn, those before it being shown."""
    objective, inputs = options.denoising.draw(rng), _inputs(run, stay)
    if objective.paradigm != "S":
        mended = corrupted(ids_of(_aligned(run, stay, run.words), context), rng, objective, context)
        if mended is not None:
            return Sample(Request(mended.text, **inputs), Target(text=mended.target), mended.paradigm)
    spoken = [index for index, words in enumerate(run.words) if words]
    if not spoken:
        raise UnusableRecord("the words of this video are longer than an answer may be")
    first = spoken[int(rng.integers(len(spoken)))]
    shown = tuple("" if index >= first else words for index, words in enumerate(run.words))
    return Sample(Request(_aligned(run, stay, shown), **inputs), Target(text=joined(*run.words[first:])))


def _picture_or_sound(
    run: _Run,
    stay: set[str],
    target: str,
    rng: np.random.Generator,
    options: VideoOptions,
    context: Context,
) -> Sample:
    """Ask for the last frame or its sound: made from the rest (S), or completed (R)."""
    wanted = run.images[-1] if target == "image" else run.sounds[-1]
    answer, paradigm, hidden = Target(**{target: wanted}), "S", Hidden()
    if not stay or rng.random() >= options.generate:
        stay, paradigm = {*stay, target}, "R"
        if target == "image":
            mask = options.hidden_image.draw(context.config.image_grid, rng)
        else:
            mask = options.hidden_audio.draw(context.config.audio_grid, rng)
        hidden = _hiding(run, stay, target, mask)
    text = _aligned(run, stay, run.words if "words" in stay else ("",) * len(run.words))
    return Sample(Request(text, **_inputs(run, stay)), answer, paradigm, hidden)


def _hiding(run: _Run, stay: set[str], target: str, mask: np.ndarray) -> Hidden:
    """The mask over the target's input; nothing is hidden of the histories."""
    return Hidden(
        **{target: mask},
        image_history=(None,) * (len(run.images) - 1 if "image_history" in stay else 0),
        audio_history=(None,) * (len(run.sounds) - 1 if "audio_history" in stay else 0),
    )
