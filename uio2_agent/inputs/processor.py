"""Requests and targets to a batch: tag, tokenise, cut pictures and spectrograms into patches, pad, mask.

Unusual: padding goes only as far as the longest row, or, with `fixed_shape`, as far as the configuration
allows in every part, so that a row's arithmetic has the same shape whatever it is batched with. Rows may
differ in what they hand in and in what they should answer. What the model cannot be shown, it loses as in the
official code (the end of a long text, a picture that fills no patch), and a warning says so once a processor.
Knows no files: `uio2_agent.media.loading` reads them.
"""

import re
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from uio2_agent.config import TARGET_MODALITIES, UnifiedIO2Config
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.inputs.batch import Batch, CodeTarget, Patches, TextInput, TokenTarget
from uio2_agent.inputs.code_targets import audio_target, image_target
from uio2_agent.inputs.padding import pad_ids, pad_patches
from uio2_agent.media.geometry import Placement
from uio2_agent.media.images import PatchList, image_patches
from uio2_agent.media.spectrogram import HIGHEST, audio_patches
from uio2_agent.modalities import PatchModality, patch_modality
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import prefix_text

__all__ = ["Batch", "Processor"]


_MARKER = re.compile(r"<(image|audio)_(?:input|(history)_([1-8]))>")
"""What a text calls its other inputs; histories have up to `vocabulary.HISTORY_MARKERS` parts."""


class Processor:
    """Turn requests (and targets) into a batch for one model configuration.

    >>> processor = Processor(UnifiedIO2Config.preset("nano"), TextTokenizer.packaged())
    >>> processor([Request("Put the red block into the bowl.")]).text.tokens.shape
    torch.Size([1, 10])
    """

    def __init__(self, config: UnifiedIO2Config, tokenizer: TextTokenizer):
        if tokenizer.vocabulary.size > config.text_rows:
            raise RequestError(
                f"the tokenizer has {tokenizer.vocabulary.size} ids, the model {config.text_rows} rows: "
                "hand in the tokenizer the model was made with"
            )
        tokenizer.check_hash(config.tokenizer)
        self.config = config
        self.tokenizer = tokenizer
        self._warned: set[str] = set()

    def __call__(
        self,
        requests: Sequence[Request],
        targets: Sequence[str | Target] | None = None,
        target: str | Sequence[str] | None = None,
        fixed_shape: bool = False,
        generator: np.random.Generator | None = None,
    ) -> Batch:
        """Build a batch with one row per request.

        Arguments
            requests: what is asked, one or more.
            targets: what should be answered, one per request; a text is a target of text only.
            target: the modality that is asked for, of all or of each request; by default the one of its
                target, or text.
            fixed_shape: pad every part as far as the configuration allows.
            generator: draws the patches that stay where a picture or spectrogram has more than the model
                takes; without one every draw starts from the same seed, so that no row depends on its batch.
        """
        if not requests:
            raise RequestError("no requests: hand in at least one")
        if targets is not None:
            if len(targets) != len(requests):
                raise RequestError(
                    f"{len(requests)} requests but {len(targets)} targets: hand in one per request"
                )
            targets = [Target(text=answer) if isinstance(answer, str) else answer for answer in targets]
        tags = [prefix_text(modality) for modality in _asked(requests, targets, target)]
        for row, request in enumerate(requests):
            _check_request(request, row)
        texts = [f"{tag} {request.text}" for tag, request in zip(tags, requests, strict=True)]
        inputs = {
            "image": [[] if request.image is None else [request.image] for request in requests],
            "image_history": [request.image_history for request in requests],
            "audio": [[] if request.audio is None else [request.audio] for request in requests],
            "audio_history": [request.audio_history for request in requests],
        }
        return Batch(
            text=self._text(texts, fixed_shape),
            **{name: self._patches(name, rows, fixed_shape, generator) for name, rows in inputs.items()},
            text_target=None if targets is None else self._text_target(targets, fixed_shape),
            image_target=None if targets is None else self._image_target(requests, targets),
            audio_target=None if targets is None else self._audio_target(targets),
        )

    def _warn(self, kind: str, loss: str) -> None:
        """Say what is lost, the first time that something of the kind is."""
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{loss} (the next of its kind goes without a word)", stacklevel=2)

    def _ids(self, text: str, length: int, what: str) -> list[int]:
        ids = self.tokenizer.encode(text)
        if (lost := len(ids) - (length - 1)) > 0:
            kind = what.partition(" of ")[0]
            self._warn(
                kind,
                f"{what} has {len(ids)} tokens, the model takes {length - 1} before the end: the last {lost} "
                f"are cut, {self.tokenizer.decode(ids[length - 1 :])[:60]!r}",
            )
        return [*ids[: length - 1], self.tokenizer.vocabulary.eos]

    def _text(self, texts: Sequence[str], fixed_shape: bool) -> TextInput:
        limit = self.config.text_input_length
        ids = [self._ids(text, limit, f"the text of request {row}") for row, text in enumerate(texts)]
        tokens = pad_ids(ids, limit if fixed_shape else None)
        return TextInput(tokens, tokens > 0, torch.arange(tokens.shape[1]).expand_as(tokens))

    def _text_target(self, answers: Sequence[Target], fixed_shape: bool) -> TokenTarget | None:
        if all(answer.text is None for answer in answers):
            return None
        limit = self.config.text_target_length
        ids: list[list[int]] = []
        for row, answer in enumerate(answers):
            what = f"the text target of request {row}"
            if answer.text is not None:
                _check_text(answer.text, what)
            ids.append([] if answer.text is None else self._ids(answer.text, limit, what))
        targets = pad_ids(ids, limit if fixed_shape else None)
        inputs = torch.zeros_like(targets)
        inputs[:, 1:] = targets[:, :-1]
        return TokenTarget(inputs, targets, targets > 0, torch.arange(targets.shape[1]).expand_as(targets))

    def _image_target(self, requests: Sequence[Request], targets: Sequence[Target]) -> CodeTarget | None:
        built = image_target(requests, targets, self.config)
        for row, target in enumerate(targets):
            if target.image is not None and not built.mask[row].any():
                self._warn(
                    "thin target",
                    f"the image target of request {row} is {_sides(target.image)} pixels: at "
                    f"{_sides(built.values[row])} it reaches the centre of no patch, and nothing is learned",
                )
        return built

    def _audio_target(self, targets: Sequence[Target]) -> CodeTarget | None:
        built = audio_target(targets, self.config)
        for row, target in enumerate(targets):
            if target.audio is not None:
                self._check_sound(
                    target.audio, bool(built.mask[row].any()), f"the audio target of request {row}"
                )
        return built

    def _check_sound(self, power: np.ndarray, heard: bool, what: str) -> None:
        """Warn of a spectrogram that is silent throughout, or of a power that is cut."""
        if not heard:
            self._warn("silent", f"{what} is exactly zero where the model looks: nothing of it is heard")
        if (most := float(power.max())) > HIGHEST:
            self._warn(
                "loud",
                f"{what} has power up to {most:.3g}, cut to {HIGHEST:.0e}: was it made from samples outside "
                "[-1, 1]?",
            )

    def _patches(
        self,
        name: str,
        rows: Sequence[Sequence[np.ndarray]],
        fixed_shape: bool,
        generator: np.random.Generator | None,
    ) -> Patches | None:
        """Cut the pictures or spectrograms of each request; None if there are none and no shape is fixed."""
        config, longest = self.config, max(map(len, rows))
        if not _wanted(name, config, longest > 0, fixed_shape):
            return None
        modality = patch_modality(config, name)
        if longest > modality.most_pieces:
            raise RequestError(
                f"{longest} {modality.piece}s in one request: the model takes at most {modality.most_pieces}"
            )
        pieces = max(modality.usual_pieces, longest) if fixed_shape else longest
        numbers = [f" {j + 1}" for j in range(pieces)] if modality.is_history else [""]
        cut = [
            [
                self._cut(modality, piece, f"{modality.piece}{number} of request {row}", generator)
                for number, piece in zip(numbers, held, strict=False)
            ]
            for row, held in enumerate(rows)
        ]
        length = modality.most_patches if fixed_shape else None
        patches = pad_patches(cut, pieces, length, modality.encoder.patch_dim)
        if modality.is_history:
            return patches
        return Patches(patches.values[:, 0], patches.mask[:, 0], patches.positions[:, 0])

    def _cut(
        self, modality: PatchModality, piece: np.ndarray, what: str, generator: np.random.Generator | None
    ) -> PatchList:
        size, patch, limit = modality.size, modality.encoder.patch_size, modality.most_patches
        if modality.sense == "audio":
            patches = audio_patches(piece, size, patch, what)
            self._check_sound(piece, bool(patches.mask.any()), what)
        else:
            patches = image_patches(piece, size, patch, limit, self.config.drop_background, what)
            if not patches.mask.any():
                scaled = Placement.fit(piece.shape[:2], size).scaled
                self._warn(
                    "thin",
                    f"{what} is {_sides(piece)} pixels: at {scaled[0]} x {scaled[1]} it reaches the centre "
                    f"of no patch of {patch} x {patch}, and the model does not see it: crop or pad it",
                )
        return patches.sample(limit, np.random.default_rng(0) if generator is None else generator)


def _sides(picture: np.ndarray | torch.Tensor) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"


def _check_request(request: Request, row: int) -> None:
    """Raise RequestError for a request without anything, and for markers of inputs that are not there."""
    _check_text(request.text, f"the text of request {row}")
    there = {
        ("image", "input"): int(request.image is not None),
        ("audio", "input"): int(request.audio is not None),
        ("image", "history"): len(request.image_history),
        ("audio", "history"): len(request.audio_history),
    }
    if not request.text.strip() and not any(there.values()):
        raise RequestError(f"request {row} is empty: hand in a text, a picture or a sound")
    for marker in _MARKER.finditer(request.text):
        modality, history, number = marker.groups()
        held = there[modality, "history" if history else "input"]
        if int(number or 1) > held:
            part = "image" if modality == "image" else "sound"
            what = f"history {part}s" if history else f"{part}s"
            raise RequestError(
                f"the text of request {row} names {marker[0]}, and {held} {what} are handed in: hand in what "
                "it names, or leave the marker out"
            )


def _check_text(text: object, what: str) -> None:
    """Raise RequestError unless a text is one that can be written in Unicode."""
    if not isinstance(text, str):
        raise RequestError(f"{what} is of the type {type(text).__name__}: hand in a str")
    if (bad := next((sign for sign in text if "\ud800" <= sign <= "\udfff"), None)) is not None:
        raise RequestError(f"{what} holds {bad!a}, half of a character: decode it from its bytes again")


def processor_of(model: object) -> Processor:
    """Return the processor a model was given; UIO2Error says how to give it one."""
    processor = getattr(model, "processor", None)
    if processor is None:
        raise UIO2Error(
            "the model has no text tokenizer: pass tokenizer=PATH to from_pretrained, or set model.processor"
        )
    return processor


def _asked(
    requests: Sequence[Request], targets: Sequence[Target] | None, target: str | Sequence[str] | None
) -> list[str]:
    """Return the modality each request asks for: what is said, or the only one of its target."""
    if target is None:
        return ["text"] * len(requests) if targets is None else _answered(targets)
    asked = [target] * len(requests) if isinstance(target, str) else list(target)
    if len(asked) != len(requests):
        raise RequestError(f"{len(requests)} requests ask for {len(asked)} modalities: name one per request")
    for modality in asked:
        if modality not in TARGET_MODALITIES:
            raise RequestError(f"there is no target {modality!r}; there are {', '.join(TARGET_MODALITIES)}")
    return asked


def _answered(targets: Sequence[Target]) -> list[str]:
    asked = []
    for row, target in enumerate(targets):
        held = [name for name in TARGET_MODALITIES if getattr(target, name) is not None]
        if len(held) != 1:
            raise RequestError(
                f"the target of request {row} holds {' and '.join(held) or 'nothing'}: name the modality "
                "that is asked for with target="
            )
        asked += held
    return asked


def _wanted(modality: str, config: UnifiedIO2Config, present: bool, fixed_shape: bool) -> bool:
    known = modality in config.input_modalities
    if present and not known:
        raise RequestError(f"this model takes no {modality}; it takes {', '.join(config.input_modalities)}")
    return present or (known and fixed_shape)
