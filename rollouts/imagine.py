"""Goals that a model draws on held-out seeds, beside the goals that the expert reaches.

Every (task, level, seed) of the fixed list counts where the expert solves it; an episode that it does not is
told apart, for it has no goal to compare with. What was stopped goes on with the same words.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from envs.suites import suite as find_suite
from policies.imagination import PICTURES, Imagination, Observed, picture_name
from policies.loading import load_policy, policy_identity
from policies.oracle import OraclePolicy
from policies.prompts import described_prompt
from policies.unified_io2 import UnifiedIO2Policy
from pretrain.defaults import defaults_from
from pretrain.progress import progress
from rollouts.errors import RolloutError
from rollouts.output import write_json
from rollouts.results import goal_scores
from rollouts.runner import Episode, Work, run_episodes
from rollouts.settings import CONF
from rollouts.versions import git_sha, versions
from rollouts.workers import MakeEnv
from rollouts.worklist import work_items
from uio2_agent.devices import device_of
from uio2_agent.files import new_file

RESULT = "imagination.json"
KINDS = ("first", "imagined", "best", "real", "reached")
"""Pictures of an episode: the first observation, what was drawn, the real goal through the tokenizer, the
real goal, and what the model itself reached."""
COMPARED = ("imagined", "first", "best", "reached")
"""Those that are scored against the real goal; `first` is the baseline that copies its input."""


@dataclass(frozen=True, kw_only=True)
@defaults_from(CONF / "imagine.yaml")
class ImagineConfig:
    """What is drawn; `rollouts/conf/imagine.yaml` says what each field means."""

    output: str
    model: str
    env: str
    env_kwargs: Mapping[str, Any]
    task: str | Sequence[str] | None
    level: str | Sequence[str] | None
    episodes: int
    seed: int
    play: bool
    guidance: float
    temperature: float
    top_p: float
    draw_seed: int
    slots: int
    device: str
    shown: int

    def recipe(self) -> dict[str, Any]:
        """What decides the numbers of an episode; a directory is continued only with the same."""
        names = ("env", "env_kwargs", "seed", "play", "guidance", "temperature", "top_p", "draw_seed")
        values = {name: getattr(self, name) for name in names}
        values |= {"env_kwargs": dict(self.env_kwargs), "top_p": self.top_p or None}
        return {**values, "checkpoint_hash": policy_identity(self.model)}


def imagine(config: ImagineConfig, output: Path) -> dict[str, Any]:
    """Draw what is not drawn yet, keep the results up to date on the way, and return them."""
    work = work_items(config.env, config.task, config.level, seed=config.seed, episodes=config.episodes)
    rows = _earlier(output, config.recipe())
    left = [item for item in work if _key(item) not in rows]
    if left:
        policy = load_policy(config.model, device=str(device_of(config.device)))
        if not isinstance(policy, UnifiedIO2Policy):
            raise RolloutError(f"model={config.model} is no model of pictures: name a checkpoint directory")
        imagination = Imagination(
            policy.model,
            policy.style_of,
            guidance=config.guidance,
            temperature=config.temperature,
            top_p=config.top_p or None,
            seed=config.draw_seed,
        )
        (output / PICTURES).mkdir(exist_ok=True)
        with progress("goals", len(work), len(work) - len(left), stream=sys.stderr) as advance:
            for row in _rows(config, left, imagination, policy, output):
                rows[row["task"], row["level"], row["seed"]] = row
                _save(output, config, work, rows)
                advance(f"{sum(row['solved'] for row in rows.values())} goals")
    return _save(output, config, work, rows)


def _rows(
    config: ImagineConfig,
    left: list[Work],
    imagination: Imagination,
    policy: UnifiedIO2Policy,
    output: Path,
) -> Iterator[dict[str, Any]]:
    suite = find_suite(config.env)
    expert = MakeEnv({**suite.expert_options(config.env_kwargs), **config.env_kwargs})
    experts = run_episodes(left, expert, OraclePolicy(), slots=config.slots, frames=False)
    own: Iterator[Episode | None] = repeat(None)
    if config.play and "text" in imagination.model.config.target_modalities:
        make = MakeEnv(dict(config.env_kwargs))
        own = run_episodes(left, make, policy, slots=config.slots, frames=False)
    played = zip(left, experts, own, strict=False)
    while batch := list(islice(played, config.slots)):
        goals = iter(imagination.draw([_first(episode) for _, episode, _ in batch if episode.success]))
        for item, episode, mine in batch:
            row = {"task": item.task, "level": item.level, "seed": item.seed, "solved": episode.success}
            if episode.success:
                row |= _compared(item, episode, mine, next(goals).picture, imagination, output)
            yield row


def _compared(
    item: Work,
    episode: Episode,
    mine: Episode | None,
    drawn: np.ndarray,
    imagination: Imagination,
    output: Path,
) -> dict[str, Any]:
    """Score one episode's pictures, and keep them."""
    first = _first(episode)
    real, best = imagination.real(first, _last(episode))
    pictures = {"first": imagination.real(first, first)[0], "imagined": drawn, "best": best, "real": real}
    row: dict[str, Any] = {"prompt": _words(first)}
    if mine is not None and mine.observations:
        pictures["reached"] = imagination.real(first, _last(mine))[0]
        row["acted"] = mine.success
    for kind, picture in pictures.items():
        levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
        with new_file(output / picture_path(item.task, item.level, item.seed, kind)) as file:
            Image.fromarray(levels).save(file, "PNG")
    row["scores"] = {
        kind: goal_scores.scores(pictures[kind], real, pictures["first"])
        for kind in COMPARED
        if kind in pictures
    }
    return row


def picture_path(task: str, level: str, seed: int, kind: str) -> Path:
    """Return where a picture lies, below the output."""
    return Path(PICTURES) / picture_name(task, level, seed, kind)


def _first(episode: Episode) -> Observed:
    return episode.observations[0], episode.infos[0]


def _last(episode: Episode) -> Observed:
    return episode.observations[-1], episode.infos[-1]


def _words(first: Observed) -> str:
    info = first[1]
    return described_prompt(info["prompt"], info["prompt_assets"])


def _key(item: Work) -> tuple[str, str, int]:
    return item.task, item.level, item.seed


def _earlier(output: Path, recipe: Mapping[str, Any]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Rows of an earlier sitting."""
    path = output / RESULT
    if not path.exists():
        return {}
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        before, rows = result["recipe"], result["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RolloutError(f"cannot read {path}: {error}; name another directory with output=...") from error
    if before != recipe:
        changed = ", ".join(
            f"{key}={before.get(key)} (now {recipe[key]})" for key in recipe if before.get(key) != recipe[key]
        )
        raise RolloutError(f"{output} holds goals with {changed}; name another directory with output=...")
    return {(row["task"], row["level"], row["seed"]): row for row in rows}


def _save(
    output: Path, config: ImagineConfig, work: Sequence[Work], rows: Mapping[tuple, dict[str, Any]]
) -> dict[str, Any]:
    asked = dict.fromkeys(map(_key, work))
    ordered = [rows[key] for key in (*asked, *(key for key in rows if key not in asked)) if key in rows]
    result = {
        "recipe": config.recipe(),
        "model": config.model,
        "config": asdict(config),
        "summary": summary(ordered),
        "rows": ordered,
        "git_sha": git_sha(),
        "versions": versions(),
    }
    write_json(output / RESULT, result)
    return result


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[float, int]]]:
    """Return for each kind of picture the mean of each score, and over how many episodes."""
    scored = [row["scores"] for row in rows if "scores" in row]
    kinds = [kind for kind in COMPARED if any(kind in each for each in scored)]
    return {kind: goal_scores.means([each[kind] for each in scored if kind in each]) for kind in kinds}
