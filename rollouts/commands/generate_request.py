"""What a person asks of `uio2 generate`: from its keys to a request, the options of the answer, and a device.

Unusual: what would go unused is refused, and what a model cannot take or make is said from its configuration,
before its weights are read.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollouts.errors import RolloutError
from rollouts.settings import keys as known_keys

if TYPE_CHECKING:
    import torch

    from uio2_agent import Request, UnifiedIO2Config
    from uio2_agent.generation.options import GenerationOptions

PRECISIONS = ("float32", "bfloat16")
_FILES = ("image", "audio", "video", "tokenizer", "vocoder")
_LISTS = ("image_history", "audio_history", "stop", "options")
_TEXT = ("max_new_tokens", "stop", "repetition_penalty", "no_repeat_ngram_size", "stop_repetition")
"""Keys that say how a text is written, without a meaning for pictures and sounds."""
_DRAWING = ("parallel", "locality")
"""Keys that say how pictures and sounds are drawn, without a meaning for texts of the command."""
_WRITING = (*_TEXT, *_DRAWING, "temperature", "top_p", "top_k", "beams", "guidance", "negative")
"""Keys that say how an answer is written, without a meaning where answers are scored."""


def note(text: str) -> None:
    """Tell the person something that is not the answer."""
    print(text, file=sys.stderr, flush=True)


def read_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys with lists as lists of words and paths without `~`.

    Raises RolloutError for what would go unused beside other keys.
    """
    asked = dict(keys)
    for name, value in keys.items():
        if name in _LISTS:
            asked[name] = [] if value in (None, "") else value if isinstance(value, list) else [value]
    asked["model"] = os.path.expanduser(asked["model"])  # no Path, which takes ./nano for the packaged nano
    for name in _FILES:
        asked[name] = None if asked[name] is None else Path(asked[name]).expanduser()
    for name in ("image_history", "audio_history"):
        asked[name] = [Path(item).expanduser() for item in asked[name]]
    if asked["options"] and asked["target"] != "text":
        raise RolloutError("options are texts to score: leave out target=, or options=")
    if asked["negative"] is not None and not asked["guidance"]:
        raise RolloutError("negative= is what guidance leads away from: give guidance= as well")
    if asked["options"]:
        unused, reason = _WRITING, "with options= nothing is written, the options are scored"
    elif asked["target"] != "text":
        unused, reason = _TEXT, "pictures and sounds have a fixed number of tokens"
    else:
        unused, reason = _DRAWING, "texts are written token by token"
    defaults = known_keys("generate")
    if given := [name for name in unused if keys[name] != defaults[name].default]:
        raise RolloutError(f"{reason}: leave out {', '.join(given)}")
    return asked


def generation_options(asked: Mapping[str, Any]) -> "GenerationOptions":
    """Return how the answer is written; 0 stands for what the model's own choice is."""
    from uio2_agent import Request
    from uio2_agent.generation.options import GenerationOptions

    names = {field.name for field in fields(GenerationOptions)}
    options = {name: value for name, value in asked.items() if name in names}  # a key is an option's name
    options["max_new_tokens"] = asked["max_new_tokens"] or None
    options["stop"] = tuple(asked["stop"])
    options["top_p"], options["top_k"] = asked["top_p"] or None, asked["top_k"] or None
    options["negative"] = None if asked["negative"] is None else Request(asked["negative"])
    return GenerationOptions(**options)


def dtype_of(name: str | None) -> "torch.dtype | None":
    """Return the precision of that name; None keeps what is stored."""
    import torch

    if name not in (None, *PRECISIONS):
        raise RolloutError(f"there is no dtype {name!r}: choose one of {', '.join(PRECISIONS)}")
    return None if name is None else getattr(torch, name)


def check_modalities(asked: Mapping[str, Any], config: "UnifiedIO2Config") -> None:
    """Refuse what the model cannot read or write, and say which model can."""
    from uio2_agent.config import TARGET_MODALITIES

    target = asked["target"]
    if target not in TARGET_MODALITIES:
        raise RolloutError(f"there is no target {target!r}: choose one of {', '.join(TARGET_MODALITIES)}")
    given = {name for name in ("image", "image_history", "audio", "audio_history") if asked[name]}
    if asked["video"]:
        given |= {"image_history"} if asked["image"] else {"image", "image_history"}
    lacking = [f"read {name}" for name in sorted(given - set(config.input_modalities))]
    lacking += [f"write {target}"] if target not in config.target_modalities else []
    if lacking:
        raise RolloutError(
            f"{asked['model']} cannot {' or '.join(lacking)}: it reads {', '.join(config.input_modalities)} "
            f"and writes {', '.join(config.target_modalities)}. Load a released Unified-IO 2 model with "
            "model=DIR tokenizer=FILE (uio2 convert puts the two together)"
        )


def read_request(asked: Mapping[str, Any], config: "UnifiedIO2Config") -> "Request":
    """Read the files. What is given on its own goes before what a video would put in the same place."""
    from uio2_agent.media.loading import load_request

    inputs = ("image", "image_history", "audio", "audio_history", "video")
    hears = "audio" in config.input_modalities
    wants_track = hears and asked["audio"] is None and not asked["audio_history"]
    request = load_request(
        asked["text"],
        **{name: asked[name] for name in inputs},
        last_frame_is_image=asked["image"] is None,
        sound=wants_track,
    )
    if asked["video"] and not wants_track and _has_sound(asked["video"]):
        reason = "audio is given besides" if hears else f"{asked['model']} reads no audio"
        note(f"the sound of {asked['video']} is skipped: {reason}")
    return request


def _has_sound(video: Path) -> bool:
    import av

    with av.open(str(video)) as container:
        return bool(container.streams.audio)
