"""Requests to answers: encode once, decode token by token, turn tokens into text, pictures or sound.

Unusual: a batch may ask for different modalities; each is decoded by itself. The end token ends a picture or
a sound as it does a text, as officially, and fills what is left of it; other tokens that stand for nothing
(unused rows of a table, the start token) are never chosen, so every picture and every sound decodes. The loop
itself is `decoding`, one step of the decoder `stepping`, the choice of a token `sampling`.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.config import FIRST_CODE, TARGET_MODALITIES
from uio2_agent.errors import RequestError
from uio2_agent.generation.beams import beam_search
from uio2_agent.generation.compiled import compiled_stepper
from uio2_agent.generation.decoding import EOS, Decoder, LogitsProcessor, Row, decode, sketch
from uio2_agent.generation.guessing import Window
from uio2_agent.generation.guidance import GuidedStepper
from uio2_agent.generation.locality import Drawing, draw_rows
from uio2_agent.generation.options import NEGATIVES, GenerationOptions
from uio2_agent.generation.repetition import goes_in_circles
from uio2_agent.generation.stepping import Stepper
from uio2_agent.inputs.processor import processor_of
from uio2_agent.media.spectrogram import power_of_target
from uio2_agent.modalities import source_length
from uio2_agent.model import Encoded, Network
from uio2_agent.request import Answer, Request

SAME_ROUNDING_ROWS = 4
"""From this many rows on, a row of a CPU's matrix product does not depend on how many there are."""


@torch.inference_mode()
def generate(
    model: Network,
    requests: Sequence[Request],
    target: str | Sequence[str] = "text",
    options: GenerationOptions | None = None,
) -> list[Answer]:
    """Answer requests; `target` is the modality of all answers, or one for each request."""
    options = options or GenerationOptions()
    targets = [target] * len(requests) if isinstance(target, str) else list(target)
    if len(targets) != len(requests):
        raise RequestError(
            f"{len(requests)} requests but {len(targets)} targets: hand in one, or one per request"
        )
    for modality in targets:
        check_target(model, modality)
    answers: list[Answer | None] = [None] * len(requests)
    for modality in TARGET_MODALITIES:
        places = [index for index, wanted in enumerate(targets) if wanted == modality]
        if places:
            group = _Group(
                model, [requests[index] for index in places], modality, options, places, len(requests)
            )
            for index, answer in zip(places, group.answers(), strict=True):
                answers[index] = answer
    return answers


@torch.inference_mode()
def stream(model: Network, request: Request, options: GenerationOptions | None = None) -> Iterator[str]:
    """Yield the text answer to a request piece by piece as it is decoded; the pieces add up to the answer."""
    check_target(model, "text")
    options = options or GenerationOptions()
    if options.beams > 1:
        raise RequestError("beam search knows its answer at the end only: leave out beams, or call generate")
    group = _Group(model, [request], "text", options, [0], 1)
    shown = ""
    for rows in group.steps():
        ready = group.text(rows[0])
        if not rows[0].done:
            # A character of several tokens, or a stop text under way, is not shown before it is whole.
            whole = ready.rstrip("\ufffd")
            ready = whole[: len(whole) - group.held_back(whole)]
        if ready.startswith(shown) and len(ready) > len(shown):
            yield ready[len(shown) :]
            shown = ready


def check_target(model: Network, modality: str) -> None:
    """Raise unless the model has a processor and answers with the modality."""
    processor_of(model)
    if modality not in TARGET_MODALITIES:
        raise RequestError(f"there is no target {modality!r}; there are {', '.join(TARGET_MODALITIES)}")
    if modality not in model.targets:
        raise RequestError(
            f"this model answers with {', '.join(model.targets)} and was not made to write {modality}: "
            "load a model that has the modality, as the released ones do"
        )


class _Group:
    """Requests of one target modality, answered in one batch."""

    def __init__(
        self,
        model: Network,
        requests: list[Request],
        modality: str,
        options: GenerationOptions,
        places: list[int],
        total: int,
    ):
        self.model, self.requests, self.modality, self.options = model, requests, modality, options
        self.processor, self.places = processor_of(model), places
        grid = model.targets[modality].grid
        if grid is None:
            limit = model.config.text_target_length
            self.limit = limit if options.max_new_tokens is None else min(limit, options.max_new_tokens)
        else:
            self.limit = grid[0] * grid[1]
        self.grammars = self._own(options.grammar, "grammars", places, total)
        if self.grammars is not None and grid is not None:
            raise RequestError(f"a grammar is for text answers, not for {modality}")
        if options.locality and (grid is None or options.locality > grid[1]):
            wants = "for pictures and sounds" if grid is None else f"at most {grid[1]}, the tokens of a row"
            raise RequestError(f"locality={options.locality} for {modality}: it is {wants}")
        self.grid = grid
        seeds = _seeds(options.seed, total)
        self.seeds = [seeds[place] for place in places]
        if options.beams > 1 and modality != "text":
            raise RequestError(f"beam search is for text answers, not for {modality}")
        if options.repetition.acts and modality != "text":
            raise RequestError(f"a rule of repetition is for text answers, not for {modality}")
        self.negatives = self._own(options.negative, "negatives", places, total)
        if options.guidance > 0 and self.negatives is None:
            if modality not in NEGATIVES:
                raise RequestError(
                    "guidance of a text answer needs a request to lead away from: pass negative="
                )
            self.negatives = [Request(NEGATIVES[modality])] * len(requests)
        drafts = self._own(_drafts(options.draft, total), "drafts", places, total)
        rows = len(model.table(modality))
        for draft in drafts or ():
            if strange := [token for token in draft if not 0 <= token < rows]:
                raise RequestError(f"a draft holds token {strange[0]}: {modality} tokens are below {rows}")
        if options.parallel and drafts is None:
            grammars = self.grammars or []
            drafts = [sketch(grammar, self.limit) for grammar in grammars] or None
        self.drafts = drafts

    @staticmethod
    def _own(value: Any, what: str, places: list[int], total: int) -> list[Any] | None:
        """Return the group's part of an option that is one for all, or one per request."""
        if value is None:
            return None
        if hasattr(value, "start") or isinstance(value, Request):
            return [value] * len(places)
        if len(value) != total:
            raise RequestError(f"{total} requests but {len(value)} {what}: hand in one, or one per request")
        return [value[place] for place in places]

    def encoded(self) -> Encoded:
        """Encode the requests, and the negative ones behind them under guidance."""
        requests = self.requests + (self.negatives if self.options.guidance > 0 else [])
        if self.options.fixed_shape and self.model.device.type == "cpu":
            return encode_alone(self.model, requests, self.modality)
        batch = self.processor(requests, target=self.modality, fixed_shape=self.options.fixed_shape)
        return self.model.encode(batch.to(self.model.device))

    def stepper(self) -> Decoder:
        """Encode, and make what decodes."""
        make = compiled_stepper if self.options.compiled else Stepper
        stepper = make(self.model, self.encoded(), self.limit, self.modality)
        return GuidedStepper(stepper, self.options.guidance) if self.options.guidance > 0 else stepper

    def steps(self) -> Iterator[list[Row] | list[Drawing]]:
        """Decode; yield the rows of the requests after each step."""
        count = len(self.requests)
        for rows in self._drawn() if self.options.locality else self._decoded():
            for row in rows[:count]:
                if not row.done and self._stopped(row):
                    row.stop()
            if self.options.progress is not None:
                self.options.progress(max(len(row.tokens) for row in rows[:count]), self.limit)
            yield rows[:count]

    def _drawn(self) -> Iterator[list[Drawing]]:
        stepper, options = self.stepper(), self.options
        return draw_rows(
            stepper,
            grid=self.grid,
            lead=options.locality,
            end=EOS,
            sampling=options.sampling(self.modality),
            seeds=self._filled(self.seeds, stepper),
            allowed=self._allowed(),
        )

    def _decoded(self) -> Iterator[list[Row]]:
        stepper = self.stepper()
        guessing = self.options.parallel and self.grid is not None and self.drafts is None
        return decode(
            stepper,
            limit=self.limit,
            grammars=self._filled(self.grammars, stepper),
            sampling=self.options.sampling(self.modality),
            seeds=self._filled(self.seeds, stepper),
            allowed=self._allowed() if self.grammars is None else None,
            logits_processor=self._process(),
            drafts=self._filled(self.drafts, stepper),
            windows=[Window(self.grid[1]) for _ in range(stepper.rows)] if guessing else None,
        )

    @staticmethod
    def _filled(values: list[Any] | None, stepper: Decoder) -> list[Any] | None:
        """Return values for all rows: those that only fill up the batch repeat the last request."""
        return None if values is None else [*values, *values[-1:] * (stepper.rows - len(values))]

    def answers(self) -> list[Answer]:
        """Decode to the end."""
        if self.options.beams > 1:
            return [self._text_answer(tokens) for tokens in self._beams()]
        *_, rows = self.steps()
        if self.modality == "text":
            return [self._text_answer(row.tokens) for row in rows]
        whole = [self._whole(row.tokens, place) for row, place in zip(rows, self.places, strict=True)]
        tokens = torch.tensor(whole, device=self.model.device)
        values = self.model.targets[self.modality].decode(tokens).float().cpu().numpy()
        lines = tokens.cpu().numpy()
        if self.modality == "image":
            pixels = np.rint(values * 255).astype(np.uint8)
            return [Answer(tokens=line, image=picture) for line, picture in zip(lines, pixels, strict=True)]
        power = power_of_target(values)
        return [Answer(tokens=line, audio=part) for line, part in zip(lines, power, strict=True)]

    def _whole(self, tokens: list[int], place: int) -> list[int]:
        """Return the tokens of a picture or sound, filled up with the end token."""
        if (lacking := self.limit - len(tokens)) > 0:
            warnings.warn(
                f"the {self.modality} of request {place} ended after {len(tokens)} of {self.limit} tokens "
                "and is filled with the end token, as officially: draw it with another seed",
                stacklevel=2,
            )
        return tokens + [EOS] * lacking

    def text(self, row: Row) -> str:
        """Return the text of a row so far, cut before a stop text."""
        return self._text_answer(row.tokens).text

    def held_back(self, text: str) -> int:
        """Return how many characters at the end of a text may be the beginning of a stop text."""
        starts = [stop[:size] for stop in self.options.stop for size in range(1, len(stop))]
        return max((len(start) for start in starts if text.endswith(start)), default=0)

    def _text_answer(self, tokens: list[int]) -> Answer:
        tokens = tokens[:-1] if tokens and tokens[-1] == EOS else tokens
        text = self.processor.tokenizer.decode(tokens)
        ends = [text.find(stop) for stop in self.options.stop if stop in text]
        return Answer(text=text[: min(ends, default=len(text))], tokens=np.array(tokens, np.int64))

    def _stopped(self, row: Row) -> bool:
        """Return whether a text holds a stop text, or goes in circles."""
        times = self.options.stop_repetition
        if times and self.modality == "text" and goes_in_circles(row.tokens, times):
            return True
        if not self.options.stop or self.modality != "text":
            return False
        text = self.processor.tokenizer.decode(row.tokens)
        return any(stop in text for stop in self.options.stop)

    def _allowed(self) -> Tensor:
        """Return bool [V]: the end token and those that stand for something."""
        table = self.model.table(self.modality)
        exists = torch.zeros(len(table), dtype=torch.bool, device=table.device)
        exists[EOS] = True
        if self.modality == "text":
            exists[EOS : self.processor.tokenizer.vocabulary.size] = True
        else:
            exists[FIRST_CODE : FIRST_CODE + self.model.targets[self.modality].tokenizer.config.codes] = True
        return exists

    def _process(self) -> LogitsProcessor | None:
        """Return what changes the logits: what was said first, as officially, then what the caller wants."""
        rule, own = self.options.repetition, self.options.logits_processor
        if not rule.acts:
            return own
        return rule if own is None else lambda logits, tokens: own(rule(logits, tokens), tokens)

    def _beams(self) -> list[list[int]]:
        beams, count = self.options.beams, len(self.requests)
        encoded = self.encoded().rows(torch.arange(count).repeat_interleave(beams))
        stepper = Stepper(self.model, encoded, self.limit)
        options = dict(length_power=self.options.length_power, logits_processor=self._process())
        found = beam_search(stepper, beams, self.limit, allowed=self._allowed(), **options)
        return [tokens for tokens, _ in found]


def encode_alone(model: Network, requests: Sequence[Request], target: str) -> Encoded:
    """Encode each request by itself, unpadded, and lay the results out in one batch of fixed source length.

    A row's numbers then cannot depend on its neighbours, and no row pays for padding. The last row is
    repeated up to a multiple of four, because matrix products of one to three rows round differently from
    those of more, and of several threads one may be left with so few.
    """
    processor = processor_of(model)
    batches = (processor([request], target=target, again=True) for request in requests)
    alone = [model.encode(batch.to(model.device)) for batch in batches]
    alone += alone[-1:] * (-len(alone) % SAME_ROUNDING_ROWS)
    return stack_encoded(alone, source_length(model.config))


def stack_encoded(parts: Sequence[Encoded], length: int | None = None) -> Encoded:
    """Lay encoded batches below each other, padded to the longest source length or to `length`."""
    length = max(part.mask.shape[1] for part in parts) if length is None else length

    def lay_out(tensors: list[Tensor], axis: int) -> Tensor:
        """Stack tensors [rows, ..., S_i, ...] with their `axis` (from the end) padded."""
        padding = [(0, 0) * (axis - 1) + (0, length - tensor.shape[-axis]) for tensor in tensors]
        return torch.cat([F.pad(tensor, pad) for tensor, pad in zip(tensors, padding, strict=True)])

    factors = ([part.rotary[side].expand(len(part.mask), -1, -1, -1) for part in parts] for side in (0, 1))
    return Encoded(
        hidden=lay_out([part.hidden for part in parts], 2),
        mask=lay_out([part.mask for part in parts], 1),
        rotary=tuple(lay_out(factor, 2) for factor in factors),
    )


def _drafts(draft: Sequence[Any] | None, count: int) -> Sequence[Any] | None:
    """Return one draft per request where one of plain tokens stands for all."""
    single = draft is not None and len(draft) > 0 and np.ndim(draft[0]) == 0
    return [draft] * count if single else draft


def _seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    if seed is None:
        return np.random.default_rng().integers(2**62, size=count).tolist()
    if isinstance(seed, int | np.integer):
        return [int(seed) + row for row in range(count)]
    if len(seed) != count:
        raise RequestError(f"{count} requests but {len(seed)} seeds: hand in one, or one per request")
    return list(seed)
