"""Requests and targets to a batch: tag, tokenise, cut pictures and spectrograms into patches, pad, mask.

Unusual: padding goes only as far as the longest row, or, with `fixed_shape`, as far as the configuration
allows in every part, so that a row's arithmetic has the same shape whatever it is batched with. Rows may
differ in what they hand in and in what they should answer. What the model cannot be shown, it loses as in the
official code (the end of a long text, a picture that fills no patch), and a warning says so once a processor.
Knows no files: `uio2_agent.media.loading` reads them.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.inputs.answers import text_target
from uio2_agent.inputs.batch import Batch, CodeTarget, Patches, TextInput, TokenTarget
from uio2_agent.inputs.checks import asked_modalities, check_request, check_text, one_each
from uio2_agent.inputs.code_targets import audio_target, image_target, target_grid
from uio2_agent.inputs.hidden import NOTHING_HIDDEN, Hidden, leave_out
from uio2_agent.inputs.padding import pad_ids, pad_patches
from uio2_agent.media.geometry import Placement
from uio2_agent.media.images import PatchList, image_patches, kept_image_patches
from uio2_agent.media.spectrogram import HIGHEST, audio_patches
from uio2_agent.modalities import PatchModality, patch_modality
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import prefix_text

__all__ = ["Batch", "Processor"]


@dataclass(frozen=True)
class _Shown:
    """How much of the pictures and sounds of one batch is shown; see `Processor.__call__`."""

    hidden: Sequence[Hidden]
    patch_share: float
    fixed_shape: bool
    generators: Sequence[np.random.Generator | None]
    again: bool
    drawn_over: Sequence[bool]
    """Of each row, whether a picture is asked for: its image keeps every patch, because what shows nothing
    yet is a place too."""

    def most_patches(self, modality: PatchModality, drawn_over: bool) -> int:
        """Return the most patches of a piece: at least one."""
        most = modality.drawn_over if drawn_over else modality.most_patches
        return max(1, min(most, int(self.patch_share * math.prod(modality.grid))))


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
        generator: np.random.Generator | Sequence[np.random.Generator] | None = None,
        paradigms: Sequence[str] | None = None,
        hidden: Sequence[Hidden] | None = None,
        patch_share: float = 1.0,
        hidden_loss_only: bool = False,
        again: bool = False,
    ) -> Batch:
        """Build a batch with one row per request.

        Arguments:
            requests: what is asked, one or more.
            targets: what should be answered, one per request; a text is a target of text only.
            target: the modality that is asked for, of all or of each request; by default the one of its
                target, or text.
            fixed_shape: pad every part as far as the configuration allows.
            generator: draws the patches that stay where a picture or spectrogram has more than the model
                takes; one for all, or one for each request. Without one every draw starts from the same
                seed, so that no row depends on its batch.
            paradigms: "S", "R" or "X" for each request (`text.vocabulary.PREFIXES`); by default all "S".
            hidden: the patches of each request that are left out. Where an image or a sound is asked for
                under "R", it is the one whose part is shown, and its hidden tokens are the `task_mask`.
            patch_share: most patches of each picture or sound, as a share of its grid.
            hidden_loss_only: under "R" only hidden tokens of an image or a sound count in the loss.
            again: whether pictures may come again soon, as those of an episode's prompt do at its next step;
                the process then keeps what the last ones were cut into.
        """
        if not requests:
            raise RequestError("no requests: hand in at least one")
        if not 0 < patch_share <= 1:
            raise RequestError(f"patch_share={patch_share} is not possible: above 0, at most 1")
        count = len(requests)
        paradigms = one_each("paradigms", paradigms, count, "S")
        hidden = one_each("masks of hidden patches", hidden, count, NOTHING_HIDDEN)
        if targets is not None:
            targets = [
                Target(text=answer) if isinstance(answer, str) else answer
                for answer in one_each("targets", targets, count, None)
            ]
        asked = asked_modalities(requests, targets, target)
        for row, request in enumerate(requests):
            check_request(request, row, self.tokenizer)
        tags = zip(asked, paradigms, strict=True)
        texts = [self._tagged(r.text, *tag) for r, tag in zip(requests, tags, strict=True)]
        inputs = {
            "image": [() if request.image is None else (request.image,) for request in requests],
            "image_history": [request.image_history for request in requests],
            "audio": [() if request.audio is None else (request.audio,) for request in requests],
            "audio_history": [request.audio_history for request in requests],
        }
        single = generator is None or isinstance(generator, np.random.Generator)
        generators = one_each("generators", None if single else generator, count, generator)
        drawn_over = [modality == "image" for modality in asked]
        shown = _Shown(hidden, patch_share, fixed_shape, generators, again, drawn_over)
        batch = Batch(
            text=self._text(texts, fixed_shape),
            **{name: self._patches(name, rows, shown) for name, rows in inputs.items()},
        )
        if targets is None:
            return batch
        restored = [
            _restored(row, *tag, mask)
            for row, (*tag, mask) in enumerate(zip(asked, paradigms, hidden, strict=True))
        ]
        return dataclasses.replace(
            batch,
            text_target=self._text_target(targets, fixed_shape),
            image_target=self._image_target(requests, targets, restored, hidden_loss_only),
            audio_target=self._audio_target(targets, restored, hidden_loss_only),
        )

    def _warn(self, kind: str, loss: str) -> None:
        """Say what is lost, the first time that something of the kind is."""
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"{loss} (the next of its kind goes without a word)", stacklevel=2)

    def _tagged(self, text: str | np.ndarray, modality: str, paradigm: str) -> list[int]:
        """Return the ids of a text with its tag in front."""
        tag = self.tokenizer.vocabulary.prefix(modality, paradigm)
        if isinstance(text, str):
            return self.tokenizer.encode(f"{prefix_text(modality, paradigm)} {text}")
        return [tag, *self._ids(text)]

    def _ids(self, text: str | np.ndarray) -> list[int]:
        return self.tokenizer.encode(text) if isinstance(text, str) else text.tolist()

    def _ended(self, ids: list[int], length: int, what: str) -> list[int]:
        """Return ids with the end, cut where the model takes no more."""
        if (lost := len(ids) - (length - 1)) > 0:
            kind = what.partition(" of ")[0]
            self._warn(
                kind,
                f"{what} has {len(ids)} tokens, the model takes {length - 1} before the end: the last {lost} "
                f"are cut, {self.tokenizer.decode(ids[length - 1 :])[:60]!r}",
            )
        return [*ids[: length - 1], self.tokenizer.vocabulary.eos]

    def _text(self, texts: Sequence[list[int]], fixed_shape: bool) -> TextInput:
        limit = self.config.text_input_length
        ids = [self._ended(text, limit, f"the text of request {row}") for row, text in enumerate(texts)]
        tokens = pad_ids(ids, limit if fixed_shape else None)
        return TextInput(tokens, tokens > 0, torch.arange(tokens.shape[1]).expand_as(tokens))

    def _text_target(self, targets: Sequence[Target], fixed_shape: bool) -> TokenTarget | None:
        if all(target.text is None for target in targets):
            return None
        limit = self.config.text_target_length
        rows = []
        for row, target in enumerate(targets):
            what = f"the text target of request {row}"
            answers = target.text if isinstance(target.text, tuple) else (target.text,)
            for answer in (answers := [answer for answer in answers if answer is not None]):
                check_text(answer, what, self.tokenizer)
            rows.append([self._ended(self._ids(answer), limit, what) for answer in answers])
        return text_target(rows, limit, limit if fixed_shape else None)

    def _image_target(
        self,
        requests: Sequence[Request],
        targets: Sequence[Target],
        hidden: Sequence[Hidden],
        hidden_loss_only: bool,
    ) -> CodeTarget | None:
        masks = [part.image for part in hidden]
        built = image_target(requests, targets, self.config, masks, hidden_loss_only)
        for row, target in enumerate(targets):
            if target.image is not None and not built.mask[row].any():
                self._warn(
                    "thin target",
                    f"the image target of request {row} is {_sides(target.image)} pixels: at "
                    f"{_sides(built.values[row])} it reaches the centre of no patch, and nothing is learned",
                )
        return built

    def _audio_target(
        self, targets: Sequence[Target], hidden: Sequence[Hidden], hidden_loss_only: bool
    ) -> CodeTarget | None:
        masks = [part.audio for part in hidden]
        built = audio_target(targets, self.config, masks, hidden_loss_only)
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

    def _patches(self, name: str, rows: Sequence[Sequence[np.ndarray]], shown: _Shown) -> Patches | None:
        """Cut the pictures or spectrograms of each request; None if there are none and no shape is fixed."""
        config, longest = self.config, max(map(len, rows))
        if not _wanted(name, config, longest > 0, shown.fixed_shape):
            return None
        modality = patch_modality(config, name)
        if longest > modality.most_pieces:
            raise RequestError(
                f"{longest} {modality.piece}s in one request: the model takes at most {modality.most_pieces}"
            )
        pieces = max(modality.usual_pieces, longest) if shown.fixed_shape else longest
        numbers = [f" {j + 1}" for j in range(pieces)] if modality.is_history else [""]
        stays = [drawn and modality.drawn_over > 0 for drawn in shown.drawn_over]
        known: dict[tuple, PatchList] = {}

        def cut_once(piece: np.ndarray, what: str, mask: np.ndarray | None, all_stay: bool) -> PatchList:
            """The patches of a piece, the same object where it comes again."""
            if mask is not None:
                return self._cut(modality, piece, what, mask, shown.again, all_stay)
            held = np.asarray(piece)
            key = held.shape, str(held.dtype), held.tobytes(), all_stay
            if key not in known:
                known[key] = self._cut(modality, piece, what, None, shown.again, all_stay)
            return known[key]

        cut = [
            [
                cut_once(piece, f"{modality.piece}{number} of request {row}", mask, stay).sample(
                    shown.most_patches(modality, stay), generator or np.random.default_rng(0)
                )
                for number, piece, mask in zip(numbers, held, masks.of(name, len(held)), strict=False)
            ]
            for row, (held, masks, generator, stay) in enumerate(
                zip(rows, shown.hidden, shown.generators, stays, strict=True)
            )
        ]
        length = shown.most_patches(modality, any(stays)) if shown.fixed_shape else None
        patches = pad_patches(cut, pieces, length, modality.encoder.patch_dim)
        if modality.is_history:
            return patches
        return Patches(patches.values[:, 0], patches.mask[:, 0], patches.positions[:, 0])

    def _cut(
        self,
        modality: PatchModality,
        piece: np.ndarray,
        what: str,
        hidden: np.ndarray | None,
        again: bool,
        all_stay: bool,
    ) -> PatchList:
        size, patch, limit = modality.size, modality.encoder.patch_size, modality.most_patches
        if modality.sense == "audio":
            patches = audio_patches(piece, size, patch, what)
            self._check_sound(piece, bool(patches.mask.any()), what)
        else:
            cut = kept_image_patches if again else image_patches
            patches = cut(piece, size, patch, limit, self.config.drop_background and not all_stay, what)
            if not patches.mask.any():
                scaled = Placement.fit(piece.shape[:2], size).scaled
                self._warn(
                    "thin",
                    f"{what} is {_sides(piece)} pixels: at {scaled[0]} x {scaled[1]} it reaches the centre "
                    f"of no patch of {patch} x {patch}, and the model does not see it: crop or pad it",
                )
        if hidden is not None:
            tokens = None if modality.is_history else target_grid(self.config, modality.sense)
            patches = leave_out(patches, hidden, modality.grid, tokens)
        return patches


def _restored(row: int, modality: str, paradigm: str, hidden: Hidden) -> Hidden:
    """Return what a request hides of its own target; RequestError where it should hide some and does not."""
    if paradigm != "R" or modality == "text":
        return NOTHING_HIDDEN
    if (mask := getattr(hidden, modality)) is None:
        raise RequestError(
            f"request {row} asks for {modality} under R, and none of its input is hidden: hand in a mask of "
            "hidden patches, or ask under S"
        )
    return Hidden(**{modality: mask})


def _sides(picture: np.ndarray | torch.Tensor) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"


def processor_of(model: object) -> Processor:
    """Return the processor a model was given; UIO2Error says how to give it one."""
    processor = getattr(model, "processor", None)
    if processor is None:
        raise UIO2Error(
            "the model has no text tokenizer: pass tokenizer=PATH to from_pretrained, or set model.processor"
        )
    return processor


def _wanted(modality: str, config: UnifiedIO2Config, present: bool, fixed_shape: bool) -> bool:
    known = modality in config.input_modalities
    if present and not known:
        raise RequestError(f"this model takes no {modality}; it takes {', '.join(config.input_modalities)}")
    return present or (known and fixed_shape)
