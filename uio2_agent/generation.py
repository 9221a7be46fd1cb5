"""Decoding token by token with everything kept: the encoder runs once, keys and values of both attentions
are stored.

Unusual: a step may feed several tokens. What a grammar forces is fed together with the next open position
in one call, so punctuation costs no call of its own. Rows of a batch may be at different positions and
finish independently. The loop knows token ids only; what may follow is asked of a grammar, which is
anything with `start() -> state` and states with `forced()`, `choices()`, `advance(token)` and `done` (see
`grammar.py`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError, UIO2Error
from uio2_agent.positions import rotary_pair
from uio2_agent.request import Answer, Request
from uio2_agent.transformer import KeysValues
from uio2_agent.vocabulary import HISTORY_MARKERS

if TYPE_CHECKING:
    from uio2_agent.model import Encoded, UnifiedIO2

START, EOS = 0, 1
SAME_ROUNDING_ROWS = 4
"""From this many rows on, a row of a CPU's matrix product does not depend on how many there are."""


class StaticCache:
    """Keys and values of all decoder layers, allocated once for `length` positions of every row."""

    def __init__(self, config: UnifiedIO2Config, rows: int, length: int, like: Tensor):
        shape = (config.decoder_layers, rows, config.heads, length, config.head_dim)
        self._keys = torch.zeros(shape, device=like.device, dtype=like.dtype)
        self._values = torch.zeros_like(self._keys)
        self._rows = torch.arange(rows, device=like.device)[:, None]
        self._positions = self._rows
        self._length = 0

    def move_to(self, positions: Tensor, length: int) -> None:
        """Let the next keys and values belong to positions [B, q]; attention reads the first `length`."""
        self._positions, self._length = positions, length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Store keys and values [B, H, q, head_dim] of a layer, return those of all positions so far."""
        for store, new in ((self._keys, keys), (self._values, values)):
            store[layer][self._rows, :, self._positions] = new.transpose(1, 2).to(store.dtype)
        return self._keys[layer, :, :, : self._length], self._values[layer, :, :, : self._length]


class Stepper:
    """The decoder of one encoded batch, advanced a few tokens at a time."""

    def __init__(self, model: "UnifiedIO2", encoded: "Encoded", length: int):
        self._model = model
        self._cross = model.decoder.cross(encoded.hidden, encoded.rotary)
        self._cross_mask = encoded.mask[:, None, None]
        self._cache = StaticCache(model.config, len(encoded.mask), length, encoded.hidden)

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor:
        """Feed each row its next tokens, both int64 [B, q], and return the logits [B, V] after the last of
        them.

        A row that has fewer than q tokens to feed repeats its last token at its last position, which
        changes nothing.
        """
        target, table, device = self._model.targets["text"], self._model.text_table.weight, self._model.device
        seen = int(positions.max()) + 1
        at = torch.from_numpy(positions).to(device)
        mask = torch.arange(seen, device=device) <= at[:, None, :, None]  # [B, 1, q, seen]
        embed, rows = target.embed(torch.from_numpy(tokens).to(device), at, table)
        self._cache.move_to(at, seen)
        hidden = self._model.decoder(
            embed, mask, rotary_pair(rows), self._cross, self._cross_mask, self._cache
        )
        return target.logits(hidden[:, -1], table)


class _Row:
    """One answer in the making."""

    def __init__(self, state: Any, limit: int, seed: int):
        self.state = state
        self.limit = limit
        self.tokens: list[int] = []
        self.done = False
        self.fed = 0  # how many of START + tokens the decoder has seen
        self.random = torch.Generator().manual_seed(seed)
        self._take_forced()

    def take(self, token: int) -> None:
        """Append a chosen token, and after it whatever the grammar forces."""
        self._append(token)
        self._take_forced()

    def unfed(self) -> list[int]:
        """Return the tokens the decoder has not seen; for a finished row its last one again."""
        line = [START, *self.tokens]
        return line[min(self.fed, len(line) - 1) :] if not self.done else line[max(self.fed - 1, 0) :][:1]

    def _take_forced(self) -> None:
        while self.state is not None and not self.done and (forced := self.state.forced()):
            for token in forced:
                if not self.done:
                    self._append(int(token))

    def _append(self, token: int) -> None:
        self.tokens.append(token)
        if self.state is not None:
            self.state = self.state.advance(token)
        ended = token == EOS if self.state is None else self.state.done
        self.done = ended or len(self.tokens) >= self.limit


def decode(
    model: "UnifiedIO2",
    encoded: "Encoded",
    *,
    limit: int,
    grammars: Sequence[Any] | None = None,
    temperature: float = 0.0,
    seeds: Sequence[int] | None = None,
    scores: list[Tensor] | None = None,
) -> list[list[int]]:
    """Decode every row of an encoded batch to its end token, its grammar's end, or `limit` tokens.

    Greedy at temperature 0, else drawn from the whole (allowed) distribution with each row's own seed. The
    logits [B, V] of every step are appended to `scores` if it is given. Returned rows include the end
    token.
    """
    count = len(encoded.mask)
    states = [None] * count if grammars is None else [grammar.start() for grammar in grammars]
    seeds = range(count) if seeds is None else seeds
    rows = [_Row(state, limit, seed) for state, seed in zip(states, seeds, strict=True)]
    stepper = Stepper(model, encoded, limit)
    while not all(row.done for row in rows):
        tokens, positions = _feed(rows)
        logits = stepper(tokens, positions).float()
        if scores is not None:
            scores.append(logits)
        for row, token in zip(rows, _choose(logits, rows, temperature), strict=True):
            if not row.done:
                row.take(token)
    return [row.tokens for row in rows]


def _feed(rows: list[_Row]) -> tuple[np.ndarray, np.ndarray]:
    """Lay out what each row has to feed, shorter rows repeating their last token and position."""
    pending = [row.unfed() for row in rows]
    length = max(map(len, pending))
    tokens = np.array([line + line[-1:] * (length - len(line)) for line in pending])
    first = np.array([max(row.fed - 1, 0) if row.done else row.fed for row in rows])
    positions = first[:, None] + np.minimum(
        np.arange(length), np.array([[len(line) - 1] for line in pending])
    )
    for row, line in zip(rows, pending, strict=True):
        if not row.done:
            row.fed += len(line)
    return tokens, positions


def _choose(logits: Tensor, rows: list[_Row], temperature: float) -> list[int]:
    """Pick each row's next token among those its grammar allows."""
    choices = [None if row.done or row.state is None else row.state.choices() for row in rows]
    if any(allowed is not None for allowed in choices):
        permitted = np.ones(logits.shape, bool)
        for row, allowed in enumerate(choices):
            if allowed is not None:
                permitted[row] = False
                permitted[row, allowed] = True
        logits = logits.masked_fill(torch.from_numpy(~permitted).to(logits.device), -torch.inf)
    if temperature == 0:
        return logits.argmax(-1).tolist()
    probabilities = (logits.cpu().double() / temperature).softmax(-1)
    return [
        0 if row.done else int(torch.multinomial(line, 1, generator=row.random))
        for row, line in zip(rows, probabilities, strict=True)
    ]


def encode_alone(model: "UnifiedIO2", requests: Sequence[Request], target: str) -> "Encoded":
    """Encode each request by itself, unpadded, and lay the results out in one batch of fixed source length.

    A row's numbers then cannot depend on its neighbours, and no row pays for padding. Small batches repeat
    the last row, because matrix products of one to three rows round differently from those of more.
    """
    from uio2_agent.model import Encoded

    alone = [model.encode(model.processor([request], target=target).to(model.device)) for request in requests]
    alone += alone[-1:] * (SAME_ROUNDING_ROWS - len(alone))
    length = _source_length(model.config)

    def lay_out(parts: list[Tensor], axis: int) -> Tensor:
        """Stack tensors [1, ..., S_i, ...] with their `axis` (from the end) padded to the full length."""
        padding = [(0, 0) * (axis - 1) + (0, length - part.shape[-axis]) for part in parts]
        return torch.cat([F.pad(part, pad) for part, pad in zip(parts, padding, strict=True)])

    return Encoded(
        hidden=lay_out([row.hidden for row in alone], 2),
        mask=lay_out([row.mask for row in alone], 1),
        rotary=(lay_out([row.rotary[0] for row in alone], 2), lay_out([row.rotary[1] for row in alone], 2)),
    )


def _source_length(config: UnifiedIO2Config) -> int:
    """Most positions a request can have in the encoder."""
    lengths = {
        "text": config.text_input_length,
        "image": config.image_tokens,
        "image_history": HISTORY_MARKERS * config.image_history.latents,
        "audio": config.audio_tokens,
        "audio_history": HISTORY_MARKERS * config.audio_history.latents if config.audio_history else 0,
    }
    return sum(lengths[name] for name in config.input_modalities)


@torch.inference_mode()
def generate(
    model: "UnifiedIO2",
    requests: Sequence[Request],
    *,
    target: str = "text",
    grammar: Any = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    seed: int | Sequence[int] | None = None,
    fixed_shape: bool = False,
) -> list[Answer]:
    """Answer requests in one batch.

    Arguments grammar: one grammar for all requests, or a sequence with one per request. max_new_tokens: at
        most this many tokens; the configuration's target length bounds it. An answer under a grammar that
        does not fit is cut like any other. temperature: 0 is greedy. seed: for sampling; an integer (row i
        draws from seed + i) or one per request. fixed_shape: answers do not depend on the batch (on a GPU:
        on the batch's size only).
    """
    if model.processor is None:
        raise UIO2Error("the model has no processor: load it with from_pretrained or set model.processor")
    if target != "text":
        raise RequestError(f"this version answers with text only, not {target!r}")
    limit = model.config.text_target_length
    if max_new_tokens is not None:
        if max_new_tokens < 1:
            raise RequestError(f"max_new_tokens={max_new_tokens}: ask for at least 1")
        limit = min(limit, max_new_tokens)
    grammars, seeds = _per_row(grammar, len(requests)), _seeds(seed, len(requests))
    if fixed_shape and model.device.type == "cpu":
        encoded = encode_alone(model, requests, target)
        idle = len(encoded.mask) - len(requests)
        grammars = None if grammars is None else [*grammars, *grammars[-1:] * idle]
        seeds = [*seeds, *seeds[-1:] * idle]
    else:
        batch = model.processor(requests, target=target, fixed_shape=fixed_shape)
        encoded = model.encode(batch.to(model.device))
    rows = decode(model, encoded, limit=limit, grammars=grammars, temperature=temperature, seeds=seeds)
    rows = rows[: len(requests)]
    tokenizer = model.processor.tokenizer
    answers = [row[:-1] if row[-1] == EOS else row for row in rows]
    return [Answer(text=tokenizer.decode(row), tokens=np.array(row, np.int64)) for row in answers]


def _per_row(grammar: Any, count: int) -> list[Any] | None:
    if grammar is None:
        return None
    if hasattr(grammar, "start"):
        return [grammar] * count
    if len(grammar) != count:
        raise RequestError(f"{count} requests but {len(grammar)} grammars: hand in one, or one per request")
    return list(grammar)


def _seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    if seed is None:
        return np.random.default_rng().integers(2**62, size=count).tolist()
    return [seed + row for row in range(count)] if isinstance(seed, int) else list(seed)
