"""Episodes side by side on a page: a small picture of each, what was asked, what was done, how it ended.

The picture is the first of a strip (`rollouts.pages.strip`); a click plays the strip, or the film where there
is one. Films and pictures are named relatively to the page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from pretrain.pages.shell import episode_name, filters, item_attributes, tag, unfolded

_MOST_LINES = 12
_LONG = 12
"""Pictures of a strip beyond which it is one of many small steps, which pass faster."""
_STEP_MS, _SHORT_MS = 900, 250
"""How long a picture stands while a strip is played."""


@dataclass(frozen=True)
class Card:
    """One episode on a page. Paths are relative to the page."""

    task: str
    level: str
    seed: int
    status: str
    facts: str
    """What else there is to know of it, in a few words."""
    prompt: str
    lines: Sequence[str]
    """The actions."""
    error: str = ""
    """What went wrong."""
    strip: str = ""
    strip_shape: Sequence[int] = ()
    """How many pictures the strip has, and the width and height of one."""
    film: str = ""
    map: str = ""
    """A picture of the way from above."""
    map_words: str = ""
    """The same in words."""
    notes: Sequence[tuple[str, str]] = ()
    """Further things to unfold: a title, and what it tells."""


def gallery(cards: Iterable[Card]) -> str:
    """Cards side by side, below the controls that choose among them. Of those of one name, as of a seed that
    a set holds twice, each but the first has its number in it.
    """
    names: dict[str, int] = {}
    shown = []
    for card in cards:
        name = episode_name(card.task, card.level, card.seed)
        names[name] = names.get(name, 0) + 1
        shown.append(_card(card, name if names[name] == 1 else f"{name}-{names[name]}"))
    return filters() + '<div class="cards">' + "\n".join(shown) + "</div>"


def _card(card: Card, name: str) -> str:
    lines = _lines(card.lines)
    if card.error:
        lines = f"<p><code>{escape(card.error)}</code></p>{lines}"
    if card.map:
        words = escape(card.map_words)
        lines = (
            f'<img class=map src="{escape(card.map)}" alt="{words}" loading=lazy>'
            f'<p class="faint">{words}</p>{lines}'
        )
    lines += "".join(unfolded(title, f"<p>{escape(text)}</p>") for title, text in card.notes)
    where = f"{card.task} · {card.level} · seed {card.seed}"
    return (
        f'<div class="card item" {item_attributes(name, card.task, card.level, card.status)}>{_picture(card)}'
        f'<div>{tag(card.status)} <a href="#{escape(name)}">{escape(where)}</a> '
        f'<span class="faint">{escape(card.facts)}</span><p>{escape(card.prompt)}</p>{lines}</div></div>'
    )


def _picture(card: Card) -> str:
    """The window onto the strip; of an episode without one, its film, or nothing."""
    if not card.strip:
        if not card.film:
            return ""
        return f'<video src="{escape(card.film)}" controls loop muted playsinline preload=none></video>'
    count, width, height = card.strip_shape
    stands = _SHORT_MS if count > _LONG else _STEP_MS
    window = f"--n:{count};--w:{width};--h:{height};--i:0"
    target = f'href="{escape(card.film)}" data-film' if card.film else f'href="{escape(card.strip)}"'
    words, mark = ("play the film", "▶ film") if card.film else (f"play {count} pictures", "▶")
    return (
        f'<a class="strip" {target} style="{window}" data-ms="{stands}" '
        f'aria-label="{words}"><img src="{escape(card.strip)}" alt="" loading=lazy><span>{mark}</span></a>'
    )


def _lines(lines: Sequence[str]) -> str:
    """The actions, to unfold; many of them in one line."""
    if not lines:
        return ""
    title = f"{len(lines)} action{'' if len(lines) == 1 else 's'}"
    if len(lines) <= _MOST_LINES:
        return unfolded(title, "".join(f"<p><code>{escape(line)}</code></p>" for line in lines))
    runs = [(line, len(list(same))) for line, same in groupby(lines)]
    text = ", ".join(line if count == 1 else f"{line} × {count}" for line, count in runs)
    return unfolded(title, f"<p><code>{escape(text)}</code></p>")
