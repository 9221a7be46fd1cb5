"""The page of a training, written anew with each point of its curves: how far it is, how long it will take,
the curves, what was set. It loads itself again while the run goes on, and not after its end.
"""

import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pretrain.curves import METRICS, PICTURE, colour_of, grouped, panel
from pretrain.pages.shell import document, html_table, section, unfolded
from pretrain.progress import duration
from uio2_agent.files import replace_file

PAGE = "index.html"
_REFRESH_S = 20
_LEAST_PATIENCE_S = 180.0
"""Seconds without a new page after which it says that the run may be gone."""
_MOST_POINTS = 400
"""Of a curve."""
_ORDER = ("success", "training", "validation", "codes", "rate", "speed", "left_out")
_BESIDE = {
    "numbers": METRICS,
    "curves": PICTURE,
    "settings": "config.yaml",
    "for TensorBoard": "tensorboard/",
}

Records = Sequence[Mapping[str, float]]


class TrainingPage:
    """Writes the page of a run in its directory.

    Args:
        directory: where it is written.
        kind: what is trained, in a word or two.
        steps: of the whole run.
        settings: what to show of the settings, by name.
        pictures: names of pictures beside the page that show how the run does.
    """

    def __init__(
        self,
        directory: Path,
        kind: str,
        steps: int,
        settings: Mapping[str, Any],
        pictures: Sequence[str] = (),
    ) -> None:
        self._directory, self._kind, self._steps = directory, kind, steps
        self._settings, self._pictures = settings, pictures

    def write(self, records: Records, step_s: float, running: bool) -> None:
        """Write the page of the points so far.

        Args:
            records: as `pretrain.curves` keeps them.
            step_s: seconds that a step took of late; 0 where none was timed.
            running: whether the run goes on.
        """
        done = int(records[-1]["step"]) if records else 0
        left = (self._steps - done) * step_s
        state = (
            (f"{duration(left)} left" if step_s else "running")
            if running
            else ("finished" if done >= self._steps else f"stopped at step {done}")
        )
        now = time.time()
        told = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        body = [_facts(records, done, self._steps, state)]
        if running:
            every = records[-1]["step"] - records[-2]["step"] if len(records) > 1 else done
            patience = max(_LEAST_PATIENCE_S, 3 * every * step_s)
            body.append(
                f'<p data-written="{now:.0f}" data-patience="{patience:.0f}" class="faint">It loads itself '
                f"again every {_REFRESH_S} s. <b class=late hidden>No news for long: the run may have been "
                "killed; the same command goes on.</b></p>"
            )
        body.append(f'<div class="figures">{"".join(_figures(records))}</div>')
        for name in self._pictures:
            if (self._directory / name).exists():
                words = escape(Path(name).stem)
                shown = f'<img src="{escape(name)}" alt="{words}" loading=lazy style="max-width:100%">'
                body.append(section(words, shown))
        rows = [
            [escape(name), f"<code>{escape(str(value))}</code>"] for name, value in self._settings.items()
        ]
        body.append(unfolded("settings", html_table(["setting", "value"], rows, 2)))
        links = [(words, name) for words, name in _BESIDE.items() if (self._directory / name).exists()]
        title = f"{self._directory.resolve().name}: {state}"
        lead = f"Written {told}, step {done} of {self._steps}."
        page = document(title, lead, body, kind=self._kind, links=links, refresh=_REFRESH_S if running else 0)
        replace_file(self._directory / PAGE, page)


def _code(value: Any) -> str:
    return f"<code>{escape(str(value))}</code>"


def _facts(records: Records, done: int, steps: int, state: str) -> str:
    """How far it is, the newest rate, speed and successes, each on a tile."""
    newest: dict[str, float] = {}
    for record in records:
        newest |= record
    facts = {"step": f"{done} of {steps}", "time": state}
    for name, value in newest.items():
        group, _, curve = name.partition("/")
        words = curve.replace("_", " ").replace(" per s", "/s")
        if group == "success":
            facts[f"solved: {words}"] = f"{value:.0%}"
        elif group in ("speed", "rate"):
            facts[words] = f"{value:.3g}"
    tiles = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts.items()
    )
    return f'<div class="facts">{tiles}</div>'


def _figures(records: Records) -> list[str]:
    groups = grouped(records)
    names = sorted(groups, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
    figures = []
    for name in names:
        curves = {curve: _thinned(points) for curve, points in groups[name].items()}
        legend = " ".join(
            f'<span class=curve><i style="background:{colour_of(place)}"></i>{escape(curve)} '
            f"{points[-1][1]:.4g}</span>"
            for place, (curve, points) in enumerate(sorted(curves.items()))
        )
        shown = panel(name, curves, from_zero=True, legend=False)
        figures.append(f"<figure>{shown}<figcaption>{legend}</figcaption></figure>")
    return figures


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """So many points that a screen shows them, the last among them."""
    every = -(-len(points) // _MOST_POINTS)
    return list(points[::-every])[::-1]
