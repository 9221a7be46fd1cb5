"""Token by token, several rows at a time: what is forced is fed along, what is open is chosen.

Unusual: a step may feed several tokens. What a grammar forces is fed together with the next open position
in one call, so punctuation costs no call of its own; rows may be at different positions and finish
independently. With a draft or a window, a step also feeds guesses for what follows (Jacobi decoding): they
are kept as far as choices confirm them. Noise belongs to a place and not to a call, so the answer is token
for token the one without guesses, greedy or drawn, and takes fewer calls. What may follow is asked of a
grammar: anything with `start() -> state` and states with `forced()`, `choices()`, `advance(token)` and `done`
(see `grammar.py`). Knows token ids only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from uio2_agent.generation.guessing import Window
from uio2_agent.generation.sampling import Chance, Sampling
from uio2_agent.generation.stepping import START

EOS = 1

LogitsProcessor = Callable[[Tensor, Sequence[Sequence[int]]], Tensor]
"""Changes logits [B, V], given each row's tokens so far (`logits_processors` holds those of tasks)."""


class Decoder(Protocol):
    """What a step asks: `Stepper`, or two of them under guidance."""

    rows: int

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor: ...

    def logits(self, hidden: Tensor) -> Tensor: ...


class Row:
    """One answer in the making.

    Arguments:
        state: the grammar's start, or None without a grammar.
        end: the token that ends the answer; None for none.
        window: what guesses ahead where nothing was computed yet; None guesses no further than the draft.
    """

    def __init__(
        self,
        state: Any,
        limit: int,
        seed: int,
        end: int | None,
        draft: Sequence[int] = (),
        window: Window | None = None,
    ):
        self.state, self.limit, self.end = state, limit, end
        self.tokens: list[int] = []
        self.done = False
        self.fed = 0  # how many of START + tokens the decoder has seen
        self.chance = Chance(seed)
        self._window = window
        self._take_forced()
        self.guess = list(draft)[len(self.tokens) :]  # what may follow `tokens`

    def take(self, token: int) -> None:
        """Append a chosen token, and after it whatever the grammar forces."""
        self.chance.use()
        self._append(token)
        self._take_forced()

    def guesses(self) -> list[int]:
        """Return the tokens to feed as guesses of what follows."""
        if self.done:
            return []
        guess = self.guess if self._window is None else self._window.filled(self.tokens, self.guess)
        return guess[: self.limit - len(self.tokens) - 1]

    def stop(self) -> None:
        """End the answer here."""
        self.done = True

    def unfed(self) -> list[int]:
        """Return the tokens the decoder has not seen; for a finished row its last one again."""
        line = [START, *self.tokens]
        return line[self.fed :] if not self.done else line[max(self.fed - 1, 0) :][:1]

    def _take_forced(self) -> None:
        while self.state is not None and not self.done and (forced := self.state.forced()):
            for token in forced:
                if not self.done:
                    self._append(int(token))

    def _append(self, token: int) -> None:
        self.tokens.append(token)
        if self.state is not None:
            self.state = self.state.advance(token)
        ended = token == self.end if self.state is None else self.state.done
        self.done = ended or len(self.tokens) >= self.limit


def decode(
    stepper: Decoder,
    *,
    limit: int,
    grammars: Sequence[Any] | None = None,
    sampling: Sampling | None = None,
    seeds: Sequence[int] | None = None,
    end: int | None = EOS,
    allowed: Tensor | None = None,
    logits_processor: LogitsProcessor | None = None,
    drafts: Sequence[Sequence[int]] | None = None,
    windows: Sequence[Window] | None = None,
    scores: list[Tensor] | None = None,
) -> Iterator[list[Row]]:
    """Decode every row to its end token, its grammar's end, or `limit` tokens; yield the rows after each
    step.

    Arguments:
        end: the token that ends an answer; None for none.
        allowed: bool [V], tokens that exist; None for all.
        logits_processor: changes the logits before grammar and sampling.
        drafts: a guess of each row's answer; the answers are those without a draft.
        windows: what guesses ahead for each row (a picture's or a sound's); likewise.
        scores: receives the logits [B, V] of every step (before `logits_processor`), without guesses only.
    """
    count = stepper.rows
    states = [None] * count if grammars is None else [grammar.start() for grammar in grammars]
    seeds = range(count) if seeds is None else seeds
    drafts = [()] * count if drafts is None else drafts
    windows = [None] * count if windows is None else windows
    rows = [
        Row(state, limit, seed, end, draft, window)
        for state, seed, draft, window in zip(states, seeds, drafts, windows, strict=True)
    ]
    chooser = _Chooser(sampling or Sampling(), allowed, logits_processor)
    yield rows
    while not all(row.done for row in rows):
        guesses = [row.guesses() for row in rows]
        tokens, positions, last = _feed(rows, guesses)
        hidden = stepper(tokens, positions)  # [B, q, D]
        # What decides a row's next token, then each of its guesses; short rows repeat their last.
        columns = last[:, None] + np.arange(max(map(len, guesses)) + 1)
        index = torch.from_numpy(np.minimum(columns, tokens.shape[1] - 1)).to(hidden.device)
        picked = hidden.gather(1, index[..., None].expand(-1, -1, hidden.shape[-1]))
        logits = stepper.logits(picked)  # [B, 1 + guesses, V]
        if scores is not None:
            scores.append(logits[:, 0])
        chooser.take(rows, logits, guesses)
        yield rows


class _Chooser:
    """From logits to tokens: logits processor, existing tokens, grammar, sampling."""

    def __init__(self, sampling: Sampling, allowed: Tensor | None, process: LogitsProcessor | None):
        self._sampling, self._allowed, self._process = sampling, allowed, process

    def take(self, rows: list[Row], logits: Tensor, guesses: list[list[int]]) -> None:
        """Take each row's next token, and go on as long as what was taken is what was guessed and fed."""
        known = [len(row.tokens) for row in rows]
        if self._process is None and all(row.state is None for row in rows):
            self._take_at_once(rows, logits, guesses)
        else:
            self._take_in_turn(rows, logits, guesses)
        for row, k, guess in zip(rows, known, guesses, strict=True):
            if guess and not row.done:
                row.fed += _common(row.tokens[k:], guess)

    def _take_at_once(self, rows: list[Row], logits: Tensor, guesses: list[list[int]]) -> None:
        """Choose at all places in one go: here a choice hangs on the scores of its place only."""
        going = [index for index, row in enumerate(rows) if not row.done]
        scores, columns = logits[going], logits.shape[1]
        if self._allowed is not None:
            scores = scores.masked_fill(~self._allowed, -torch.inf)
        noise = [self._noise(rows[index], scores, place) for index in going for place in range(columns)]
        chosen = self._sampling.choose(scores.flatten(0, 1), noise)
        for number, index in enumerate(going):
            row, guess = rows[index], guesses[index]
            line = chosen[number * columns :][: len(guess) + 1]
            right = _common(line, guess)
            for token in line[: right + 1]:
                if not row.done:
                    row.take(token)
            row.guess = line[right + 1 :]

    def _take_in_turn(self, rows: list[Row], logits: Tensor, guesses: list[list[int]]) -> None:
        known = [len(row.tokens) for row in rows]
        going = [not row.done for row in rows]
        while any(going):
            reached = [len(row.tokens) - before for row, before in zip(rows, known, strict=True)]
            columns = torch.tensor([column if on else 0 for column, on in zip(reached, going, strict=True)])
            scores = logits[torch.arange(len(rows)), columns.to(logits.device)]
            chosen = self._choose(scores, rows, going)
            for index, row in enumerate(rows):
                if going[index]:
                    row.take(chosen[index])
                    taken = row.tokens[known[index] :]
                    confirmed = taken == guesses[index][: len(taken)]
                    going[index] = confirmed and not row.done
        for row, k, guess, line in zip(rows, known, guesses, logits, strict=True):
            if guess and not row.done:
                row.guess = self._guess(row, line, len(row.tokens) - k)

    def _choose(self, scores: Tensor, rows: list[Row], going: list[bool]) -> list[int]:
        if self._process is not None:
            scores = self._process(scores, [row.tokens for row in rows])
        if self._allowed is not None:
            scores = scores.masked_fill(~self._allowed, -torch.inf)
        choices = [
            row.state.choices() if on and row.state is not None else None
            for row, on in zip(rows, going, strict=True)
        ]
        if any(allowed is not None for allowed in choices):
            permitted = np.ones(scores.shape, bool)
            for row, allowed in enumerate(choices):
                if allowed is not None:
                    permitted[row] = False
                    permitted[row, allowed] = True
            scores = scores.masked_fill(torch.from_numpy(~permitted).to(scores.device), -torch.inf)
        noise = [self._noise(row, scores) if on else None for row, on in zip(rows, going, strict=True)]
        return self._sampling.choose(scores, noise)

    def _guess(self, row: Row, logits: Tensor, column: int) -> list[int]:
        """Guess again what follows: what would be chosen at the places of the old guess, as far as that may
        be there.
        """
        guess: list[int] = []
        state, open_places = row.state, 0
        while column + len(guess) < len(logits):
            line = logits[column + len(guess)]
            if state is not None and state.done:
                break
            forced = () if state is None else state.forced()
            if forced:
                token = int(forced[0])
            else:
                noise = self._noise(row, line, open_places)
                token = self._likely(line, None if state is None else state.choices(), noise)
                open_places += 1
            guess.append(token)
            state = None if state is None else state.advance(token)
        return guess

    def _likely(self, line: Tensor, choices: np.ndarray | None, noise: Tensor | None) -> int:
        if choices is None:
            return self._sampling.choose(line[None], [noise])[0]
        index = torch.tensor(choices)  # a copy: choices may not be written to
        narrow = None if noise is None else noise[index]
        return int(choices[self._sampling.choose(line[index.to(line.device)][None], [narrow])[0]])

    def _noise(self, row: Row, scores: Tensor, ahead: int = 0) -> Tensor | None:
        return row.chance.line(ahead, scores.shape[-1]) if self._sampling.draws else None


def sketch(grammar: Any, length: int) -> list[int]:
    """Return an answer of at most `length` tokens that the grammar allows: the first draft of any answer."""
    tokens: list[int] = []
    state = grammar.start()
    while not state.done and len(tokens) < length:
        forced = state.forced()
        token = forced[0] if forced else int(state.choices()[len(state.choices()) // 2])
        tokens.append(token)
        state = state.advance(token)
    return tokens


def _common(first: list[int], second: list[int]) -> int:
    """Return how many tokens two lines share at their start."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return min(len(first), len(second))


def _feed(rows: list[Row], guesses: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lay out what each row has to feed, shorter rows repeating their last token and position.

    Returns tokens and positions int64 [B, q], and the column [B] of each row's last known token.
    """
    unfed = [row.unfed() for row in rows]
    lines = [known + guess for known, guess in zip(unfed, guesses, strict=True)]
    length = max(map(len, lines))
    tokens = np.array([line + line[-1:] * (length - len(line)) for line in lines])
    first = np.array([max(row.fed - 1, 0) if row.done else row.fed for row in rows])
    positions = first[:, None] + np.minimum(np.arange(length), np.array([[len(line) - 1] for line in lines]))
    for row, known in zip(rows, unfed, strict=True):
        if not row.done:
            row.fed += len(known)
    return tokens, positions, np.array([len(known) - 1 for known in unfed])
