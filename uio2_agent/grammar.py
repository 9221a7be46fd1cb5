"""Token grammars: which tokens an answer may continue with.

Combinators (`literal`, `one_of`, `location`, `sequence`, `choice`, `repeat`) describe an answer; `Grammar`
turns the description into a small automaton whose states the decoder walks. Unusual: a state can say that
several tokens in a row are *forced*; the decoder then feeds them together with the next open position, so
punctuation costs no call. Every description is finite (repetitions are bounded), states are immutable and
shared by all rows that reach them.

Knows tokens and the text tokenizer, nothing about any task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from uio2_agent.errors import UIO2Error


class Tokenizer(Protocol):
    """What a literal needs: text to ids, without start or end token."""

    def encode(self, text: str) -> list[int]: ...


class Element:
    """A part of an answer. `build` wires it in front of node `following` and returns its entry node."""

    def build(self, nodes: _Nodes, following: int) -> int:
        raise NotImplementedError


class _Nodes:
    """A non-deterministic automaton under construction: per node either one token edge or free moves."""

    def __init__(self) -> None:
        self.edges: list[tuple[np.ndarray, int] | None] = []  # (allowed ids, next node)
        self.free: list[tuple[int, ...]] = []  # nodes reached without a token

    def edge(self, ids: np.ndarray, following: int) -> int:
        self.edges.append((ids, following))
        self.free.append(())
        return len(self.edges) - 1

    def fork(self, targets: Sequence[int]) -> int:
        self.edges.append(None)
        self.free.append(tuple(targets))
        return len(self.edges) - 1

    def closure(self, start: Iterable[int]) -> frozenset[int]:
        """Nodes with a token edge (or the end) reachable from `start` without reading a token."""
        found, waiting = set(), list(start)
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            if not self.free[node]:
                found.add(node)
            for target in self.free[node]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return frozenset(found)


class _OneOf(Element):
    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids

    def build(self, nodes: _Nodes, following: int) -> int:
        return nodes.edge(self.ids, following)


class _Sequence(Element):
    def __init__(self, parts: tuple[Element, ...]) -> None:
        self.parts = parts

    def build(self, nodes: _Nodes, following: int) -> int:
        for part in reversed(self.parts):
            following = part.build(nodes, following)
        return following


class _Choice(Element):
    def __init__(self, options: tuple[Element, ...]) -> None:
        self.options = options

    def build(self, nodes: _Nodes, following: int) -> int:
        return nodes.fork([option.build(nodes, following) for option in self.options])


class _Repeat(Element):
    def __init__(self, items: tuple[Element, ...], at_least: int) -> None:
        self.items = items
        self.at_least = at_least

    def build(self, nodes: _Nodes, following: int) -> int:
        entry = following
        for index in reversed(range(len(self.items))):
            entry = self.items[index].build(nodes, entry)
            if index >= self.at_least:
                entry = nodes.fork([entry, following])
        return entry


def one_of(ids: Iterable[int]) -> Element:
    """Exactly one token out of `ids`."""
    array = np.unique(np.fromiter(ids, dtype=np.int64))
    if array.size == 0:
        raise UIO2Error("grammar: one_of() got no token ids; give at least one")
    array.setflags(write=False)
    return _OneOf(array)


def tokens(ids: Iterable[int]) -> Element:
    """Exactly these tokens in this order."""
    return _Sequence(tuple(one_of([token]) for token in ids))


def literal(tokenizer: Tokenizer, text: str) -> Element:
    """The tokens of `text`, which starts at a word start.

    Sentencepiece marks word starts, so a text cut at its single spaces tokenizes as the concatenation of its
    parts; special pieces match only at a word start. `check_literals` verifies that for a whole answer.
    """
    if text != text.strip() or not text:
        raise UIO2Error(
            f"grammar: literal {text!r} must be words without outer spaces (spaces belong to word starts)"
        )
    return tokens(tokenizer.encode(text))


def location(vocabulary) -> Element:
    """One of the 1000 location tokens."""
    return one_of(np.asarray(vocabulary.location_ids).tolist())


def sequence(*parts: Element) -> Element:
    """All parts, one after the other."""
    return _Sequence(parts)


def choice(*options: Element) -> Element:
    """Exactly one of the options; options may share a prefix."""
    if not options:
        raise UIO2Error("grammar: choice() got no options; give at least one")
    return _Choice(options)


def repeat(items: Sequence[Element], at_least: int = 0) -> Element:
    """The first k of `items`, for any k from `at_least` to all; items may differ (numbered steps do)."""
    if not 0 <= at_least <= len(items):
        raise UIO2Error(
            f"grammar: repeat(at_least={at_least}) with {len(items)} items; use 0 to {len(items)}"
        )
    return _Repeat(tuple(items), at_least)


def check_literals(tokenizer: Tokenizer, parts: Sequence[str]) -> None:
    """Raise unless the parts, joined by single spaces, tokenize as the concatenation of the parts."""
    whole = list(tokenizer.encode(" ".join(parts)))
    pieces = [token for part in parts for token in tokenizer.encode(part)]
    if whole != pieces:
        raise UIO2Error(
            f"grammar: {' '.join(parts)!r} is {len(whole)} tokens as a whole, but its parts one by one are "
            f"{len(pieces)} others; use a tokenizer that splits at spaces and holds the special pieces"
        )


class Grammar:
    """An answer's description followed by the end token, ready to be walked.

    States are built on demand and kept: walking the same grammar again costs look-ups only.
    """

    def __init__(self, answer: Element, end_token: int) -> None:
        self._nodes = _Nodes()
        self._end = self._nodes.fork(())
        self._states: dict[frozenset[int], State] = {}
        self._unions: dict[tuple[int, ...], np.ndarray] = {}  # by the identities of the arrays united
        self._start = self._state([sequence(answer, one_of([end_token])).build(self._nodes, self._end)])

    def start(self) -> State:
        """The state before the first token (after the decoder's start token)."""
        return self._start

    def _state(self, nodes: Iterable[int]) -> State:
        key = self._nodes.closure(nodes)
        if key not in self._states:
            self._states[key] = State(self, key)
        return self._states[key]

    def _union(self, parts: list[np.ndarray]) -> np.ndarray:
        """All ids of some edges. States that allow the same share one array: free text has 32,000 ids."""
        key = tuple(sorted({id(ids) for ids in parts}))
        if key not in self._unions:
            union = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
            union.setflags(write=False)
            self._unions[key] = union
        return self._unions[key]


class State:
    """A point in an answer: what must, or may, come next. Immutable; equal points are the same object."""

    def __init__(self, grammar: Grammar, key: frozenset[int]) -> None:
        self._grammar = grammar
        edges = [grammar._nodes.edges[node] for node in sorted(key)]
        self._edges = [edge for edge in edges if edge is not None]
        self.done: bool = not self._edges
        """True after the end token."""
        self._choices: np.ndarray | None = None
        self._forced: tuple[int, ...] | None = None

    def choices(self) -> np.ndarray:
        """Allowed next ids, ascending int64; empty when done. Shared between calls: do not write to it."""
        if self._choices is None:
            parts = [ids for ids, _ in self._edges]
            self._choices = parts[0] if len(parts) == 1 else self._grammar._union(parts)
        return self._choices

    def forced(self) -> tuple[int, ...]:
        """The longest run of tokens that must come next, the end token included; empty when there is a
        choice.
        """
        if self._forced is None:
            run, state = [], self
            while len(state.choices()) == 1:
                run.append(int(state.choices()[0]))
                state = state.advance(run[-1])
            self._forced = tuple(run)
        return self._forced

    def advance(self, token: int) -> State:
        """The state after `token`.

        Raises UIO2Error if the grammar does not allow `token` here.
        """
        reached = [node for ids, node in self._edges if _holds(ids, token)]
        if not reached:
            allowed = self.choices()
            shown = ", ".join(map(str, allowed[:5])) + (", …" if len(allowed) > 5 else "")
            what = f"one of {len(allowed)} ids ({shown})" if len(allowed) else "nothing: the answer has ended"
            raise UIO2Error(f"grammar: token {token} cannot come next; allowed is {what}")
        return self._grammar._state(reached)


def _holds(ids: np.ndarray, token: int) -> bool:
    at = int(np.searchsorted(ids, token))
    return at < len(ids) and int(ids[at]) == token
