"""Questions and instructions whose answers follow from how a picture, a video or a story was made."""

import numpy as np

from pretrain.generated import moving, shapes, texts
from pretrain.sources.films import ArrayFilm
from pretrain.sources.records import QuestionRecord, VideoQuestionRecord


def question(rng: np.random.Generator, size: int) -> QuestionRecord:
    """Ask for the number of shapes of a picture, or for the colour of one."""
    still, things = shapes.scene(rng, (size, size), 4)
    thing = things[int(rng.integers(len(things)))]
    alike = [other for other in things if other.form == thing.form]
    asked = [("how many shapes are there?", shapes.NUMBERS[len(things)])]
    if len(alike) == 1:
        asked.append((f"what colour is the {thing.form}?", thing.colour))
    told, answer = asked[int(rng.integers(len(asked)))]
    return QuestionRecord(told, answer, (shapes.pasted(still, things)[0],))


def image_pair(rng: np.random.Generator, size: int) -> QuestionRecord:
    """Ask of two pictures how many shapes they have together, or whether both have a form."""
    scenes = [shapes.scene(rng, (size, size), 3) for _ in range(2)]
    images = tuple(shapes.pasted(*each)[0] for each in scenes)
    if rng.random() < 0.5:
        count = sum(len(things) for _, things in scenes)
        return QuestionRecord("how many shapes are there together?", shapes.NUMBERS[count], images)
    form = scenes[0][1][0].form
    both = any(thing.form == form for thing in scenes[1][1])
    return QuestionRecord(f"is there a {form} in both?", "yes" if both else "no", images)


def image_instruction(rng: np.random.Generator, size: int) -> QuestionRecord:
    """Ask for a sentence on a picture."""
    still, things = shapes.scene(rng, (size, size), 3)
    answer = f"The picture shows {shapes.described(things)}."
    return QuestionRecord(
        "Write one whole sentence on what is there, from left to right.",
        answer,
        (shapes.pasted(still, things)[0],),
    )


def instruction(rng: np.random.Generator) -> QuestionRecord:
    """Tell a story and ask for a sentence on where a thing is in the end."""
    lines = texts.story(rng).removesuffix(".").split(". ")
    told = [line for line in lines if not line.startswith("now ")]
    ends = lines[len(told) :]
    thing, place = ends[int(rng.integers(len(ends)))].removeprefix("now the ").split(" is on the ")
    story = ". ".join(told)
    return QuestionRecord(
        f"Read this and say in a sentence where the {thing} is at last: {story}.",
        f"The {thing} is on the {place}.",
    )


def video_question(rng: np.random.Generator, size: int) -> VideoQuestionRecord:
    """Ask of one of the scenes, told by what moves in it, where it goes."""
    frames, wave, said = moving.moving_shapes(rng, (size, size), moving.SECONDS, moving.FPS)
    number = int(rng.integers(len(said)))
    thing, way = said[number][1].split(" moves ")
    told = f"which way does scene {number + 1} of {len(said)} move, {thing}?"
    return VideoQuestionRecord(ArrayFilm(frames, moving.FPS, wave), told, way)
