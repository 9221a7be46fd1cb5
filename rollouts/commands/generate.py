"""`uio2 generate`: one question, with pictures, sounds or a video, answered with text, a picture or a sound.

Unusual: standard output carries the answer and nothing else (a text as it is decoded, scored options, the
path of a picture or sound), so that it can be piped; notes and the progress bar go to standard error.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollouts.commands.generate_request import (
    check_modalities,
    dtype_of,
    generation_options,
    note,
    read_keys,
    read_request,
)
from rollouts.output import claim, write_config
from uio2_agent.devices import device_of

if TYPE_CHECKING:
    from rollouts.commands.generate_answers import AnswerFiles
    from uio2_agent import Answer, Request, UnifiedIO2
    from uio2_agent.generation.options import GenerationOptions

OUTPUT = "runs/generate"
NOTES = {
    "nano": "nano is a small policy for the tabletop, trained on action text and boxes only: it reads text, "
    "an image and image history, writes text, and knows nothing of other pictures and questions"
}
"""What to expect of a packaged model."""


def generate(keys: Mapping[str, Any]) -> int:
    """`uio2 generate`."""
    with _warnings_as_notes():
        return _answer(keys)


def _answer(keys: Mapping[str, Any]) -> int:
    from uio2_agent.formats.checkpoint import read_config
    from uio2_agent.formats.packaged import checkpoint_directory
    from uio2_agent.unified_io2 import UnifiedIO2

    asked = read_keys(keys)
    options = generation_options(asked)
    device, dtype = device_of(asked["device"]), dtype_of(asked["dtype"])
    directory = checkpoint_directory(asked["model"])
    config, _ = read_config(directory)
    check_modalities(asked, config)
    request = read_request(asked, config)
    place = asked["output"] or (None if asked["target"] == "text" else OUTPUT)
    output = None if place is None else claim(place)
    model = UnifiedIO2.from_pretrained(directory, tokenizer=asked["tokenizer"], dtype=dtype, device=device)
    if asked["vocoder"] is not None:
        from uio2_agent.tokenizers.vocoder import Vocoder

        model.vocoder = Vocoder.from_pretrained(asked["vocoder"]).to(device)
    if asked["model"] in NOTES:
        note(NOTES[asked["model"]])
    if asked["options"]:
        answer = _scores(model, request, asked["options"])
    else:
        answer = _ANSWERS[asked["target"]](model, request, options)
    if output is not None:
        _write(output, answer, keys)
    return 0


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Show warnings without the line of code that gives them."""
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _text(model: "UnifiedIO2", request: "Request", options: "GenerationOptions") -> "AnswerFiles":
    """Print a text as it is decoded; beam search knows it only at the end."""
    from rollouts.commands.generate_answers import AnswerFiles
    from uio2_agent.generation.generate import generate as run
    from uio2_agent.generation.generate import stream
    from uio2_agent.generation.repetition import goes_in_circles

    if options.beams > 1:
        pieces = iter([run(model, [request], "text", options)[0].text])
    else:
        pieces = stream(model, request, options)
    text = ""
    for piece in pieces:
        print(piece, end="", flush=True)
        text += piece
    print(flush=True)
    said = model.processor.tokenizer.encode(text)
    if options.stop_repetition and goes_in_circles(said, options.stop_repetition):
        note("the answer went in circles and was ended: try repetition_penalty=1.2, or stop_repetition=0")
    return AnswerFiles({"text": text}, text=text)


def _scores(model: "UnifiedIO2", request: "Request", options: list[str]) -> "AnswerFiles":
    """Print the options with their scores, best first."""
    from rollouts.commands.generate_answers import AnswerFiles
    from uio2_agent.generation.answer_scoring import score_options

    scores = score_options(model, request, options)
    ranked = [
        {"text": options[place], "score": float(scores[place])} for place in scores.argsort(kind="stable")
    ]
    note("a score is the cross-entropy per token: lower is better")
    for option in ranked:
        print(f"{option['score']:8.4f}  {option['text']}")
    return AnswerFiles({"text": ranked[0]["text"], "options": ranked}, text=ranked[0]["text"])


def _picture(model: "UnifiedIO2", request: "Request", options: "GenerationOptions") -> "AnswerFiles":
    from rollouts.commands.generate_answers import AnswerFiles

    answer = _with_progress(model, request, "image", options)
    return AnswerFiles({"tokens": answer.tokens.tolist()}, picture=answer.image)


def _sound(model: "UnifiedIO2", request: "Request", options: "GenerationOptions") -> "AnswerFiles":
    from rollouts.commands.generate_answers import AnswerFiles, spectrogram_picture

    answer = _with_progress(model, request, "audio", options)
    if model.vocoder is None:
        note("the model has no vocoder: Griffin-Lim makes the sound; vocoder=FILE gives it HiFi-GAN")
    wave = model.wave(answer.audio)
    record = {"tokens": answer.tokens.tolist(), "vocoder": model.vocoder is not None}
    return AnswerFiles(record, picture=spectrogram_picture(answer.audio), sound=wave)


_ANSWERS = {"text": _text, "image": _picture, "audio": _sound}


def _with_progress(
    model: "UnifiedIO2", request: "Request", target: str, options: "GenerationOptions"
) -> "Answer":
    """Generate with a bar over the tokens, where a person sees it."""
    from dataclasses import replace

    from uio2_agent.generation.generate import generate as run

    with _bar(f"{target} tokens") as progress:
        return run(model, [request], target, replace(options, progress=progress))[0]


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def _write(output: Path, answer: "AnswerFiles", keys: Mapping[str, Any]) -> None:
    """Write the answer with its configuration; print the path of a picture or sound."""
    from rollouts.commands.generate_answers import PICTURE, SOUND, write_answer

    write_answer(output, answer)
    write_config(output, dict(keys))
    if answer.sound is not None:
        print(output / SOUND)
        note(f"its spectrogram is {output / PICTURE}")
    elif answer.picture is not None:
        print(output / PICTURE)
    else:
        note(f"the answer is in {output}")
