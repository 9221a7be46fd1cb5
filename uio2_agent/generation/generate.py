"""Requests to answers: encode once, decode token by token, turn tokens into text, pictures or sound.

Unusual: a batch may ask for different modalities; each is decoded by itself. Tokens that stand for nothing
(unused rows of a table, the reserved ones) are never chosen, so every picture and every sound decodes. The
loop itself is `decoding`, one step of the decoder `stepping`, the choice of a token `sampling`.
"""

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
from uio2_agent.generation.decoding import EOS, Decoder, Row, decode, sketch
from uio2_agent.generation.guidance import GuidedStepper
from uio2_agent.generation.options import NEGATIVES, GenerationOptions
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
        self.processor = processor_of(model)
        grid = model.targets[modality].grid
        if grid is None:
            limit = model.config.text_target_length
            self.limit = limit if options.max_new_tokens is None else min(limit, options.max_new_tokens)
        else:
            self.limit = grid[0] * grid[1]
        self.grammars = self._own(options.grammar, "grammars", places, total)
        if self.grammars is not None and grid is not None:
            raise RequestError(f"a grammar is for text answers, not for {modality}")
        seeds = _seeds(options.seed, total)
        self.seeds = [seeds[place] for place in places]
        if options.beams > 1 and modality != "text":
            raise RequestError(f"beam search is for text answers, not for {modality}")
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

    def steps(self) -> Iterator[list[Row]]:
        """Decode; yield the rows of the requests after each step."""
        count, stepper = len(self.requests), self.stepper()
        idle = stepper.rows - count  # rows that only fill up the batch repeat the last request

        def fill(values: list[Any] | None) -> list[Any] | None:
            return None if values is None else [*values, *values[-1:] * idle]

        steps = decode(
            stepper,
            limit=self.limit,
            grammars=fill(self.grammars),
            sampling=self.options.sampling(self.modality),
            seeds=fill(self.seeds),
            end=EOS if self.modality == "text" else None,
            allowed=self._allowed() if self.grammars is None else None,
            logits_processor=self.options.logits_processor,
            drafts=fill(self.drafts),
        )
        for rows in steps:
            for row in rows[:count]:
                if self.options.stop and not row.done and self._stopped(row):
                    row.stop()
            if self.options.progress is not None:
                self.options.progress(max(len(row.tokens) for row in rows[:count]), self.limit)
            yield rows[:count]

    def answers(self) -> list[Answer]:
        """Decode to the end."""
        if self.options.beams > 1:
            return [self._text_answer(tokens) for tokens in self._beams()]
        *_, rows = self.steps()
        if self.modality == "text":
            return [self._text_answer(row.tokens) for row in rows]
        tokens = torch.tensor([row.tokens for row in rows], device=self.model.device)
        values = self.model.targets[self.modality].decode(tokens).float().cpu().numpy()
        lines = tokens.cpu().numpy()
        if self.modality == "image":
            pixels = np.rint(values * 255).astype(np.uint8)
            return [Answer(tokens=line, image=picture) for line, picture in zip(lines, pixels, strict=True)]
        power = power_of_target(values)
        return [Answer(tokens=line, audio=part) for line, part in zip(lines, power, strict=True)]

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
        text = self.processor.tokenizer.decode(row.tokens)
        return any(stop in text for stop in self.options.stop)

    def _allowed(self) -> Tensor:
        """Return bool [V]: the tokens that stand for something."""
        table = self.model.table(self.modality)
        exists = torch.zeros(len(table), dtype=torch.bool, device=table.device)
        if self.modality == "text":
            exists[EOS : self.processor.tokenizer.vocabulary.size] = True
        else:
            exists[FIRST_CODE : FIRST_CODE + self.model.targets[self.modality].tokenizer.config.codes] = True
        return exists

    def _beams(self) -> list[list[int]]:
        beams, count = self.options.beams, len(self.requests)
        encoded = self.encoded().rows(torch.arange(count).repeat_interleave(beams))
        stepper = Stepper(self.model, encoded, self.limit)
        power = self.options.length_power
        found = beam_search(stepper, beams, self.limit, length_power=power, allowed=self._allowed())
        return [tokens for tokens, _ in found]


def encode_alone(model: Network, requests: Sequence[Request], target: str) -> Encoded:
    """Encode each request by itself, unpadded, and lay the results out in one batch of fixed source length.

    A row's numbers then cannot depend on its neighbours, and no row pays for padding. Small batches repeat
    the last row, because matrix products of one to three rows round differently from those of more.
    """
    processor = processor_of(model)
    alone = [model.encode(processor([request], target=target).to(model.device)) for request in requests]
    alone += alone[-1:] * (SAME_ROUNDING_ROWS - len(alone))
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
