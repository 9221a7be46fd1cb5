"""The model as a policy: slots → requests → one batch → action text → actions.

By default every step is planned anew from the present observation, the first one and the executed steps; only
the first step of the answer is decoded. `plan="once"` is the paper's protocol: the whole plan from the first
observation. Unusual: answers are decoded under the grammar of action plans, so every answer parses, whatever
the weights.

Knows requests and action texts through the embodiment of each episode, none by name; knows no environment.
"""

from __future__ import annotations

import inspect
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy, Step
from policies.embodiments.base import Embodiment, ParsedStep
from policies.moment import Moment
from policies.style import STYLE_FILE, PromptStyle, load_styles
from uio2_agent.errors import UIO2Error, did_you_mean
from uio2_agent.fields import shown
from uio2_agent.request import Answer, Request

PLANS = ("replan", "once")
_TOKENS_PER_STEP = 40  # LLaMA's pieces need 25 with long numbers


@dataclass
class _Episode:
    """What the policy remembers of a running episode."""

    body: Embodiment
    style: PromptStyle
    task: str
    prompt: str
    prompt_assets: Mapping[str, Any]
    seed: int
    first_views: Mapping[str, np.ndarray]
    executed: list[str] = field(default_factory=list)
    states: list[np.ndarray] = field(default_factory=list)
    """Those before the executed steps."""
    views: deque[Mapping[str, np.ndarray]] = field(default_factory=deque)
    """Those before the latest executed steps, as many as requests show."""
    plan: deque[ParsedStep] | None = None
    """Steps still to be played with plan="once"; None before the plan was made."""
    answer: Answer | None = None
    goal: np.ndarray | None = None
    """How it looks when the task is done, if anybody told."""


class UnifiedIO2Policy(Policy):
    """Act with a `UnifiedIO2` model.

    Arguments:
        model: Anything with `processor.tokenizer` and `generate` as `uio2_agent.UnifiedIO2` has them.
        style: How requests look: one style for whatever embodiment acts, or one by embodiment. Must be what
            the model was trained on; an embodiment that is not named has its own for models of the released
            sizes.
        plan: "replan": ask before every step. "once": ask after reset, play the answer, then idle.
        batch_size: Most requests in one model call. Every request is padded to the same fixed shape.
        temperature: 0 decodes greedily, None as the episode's embodiment says. Above 0 tokens are drawn.
        seed: with an episode's own it decides what is drawn.
        released: Read location tokens as the released UIO-2 code does (bin/1000).
        plan_steps: Longest plan with plan="once".
    """

    def __init__(
        self,
        model: Any,
        style: PromptStyle | Mapping[str, PromptStyle] | None = None,
        *,
        name: str = "unified_io2",
        plan: str = "replan",
        batch_size: int = 8,
        temperature: float | None = None,
        seed: int = 0,
        released: bool = False,
        plan_steps: int = 8,
    ) -> None:
        if plan not in PLANS:
            raise UIO2Error(f"plan={plan!r} is unknown; use one of {', '.join(PLANS)}")
        if batch_size < 1 or plan_steps < 1 or (temperature or 0) < 0:
            raise UIO2Error(
                f"batch_size={batch_size}, plan_steps={plan_steps}, temperature={temperature}: "
                "the first two are at least 1, the temperature at least 0"
            )
        self.name = name
        self.model = model
        self.style = {} if style is None else style
        self.plan = plan
        self.batch_size = batch_size
        self.temperature = temperature
        self.seed = seed
        self.plan_steps = plan_steps
        self.released = released
        self._episodes: dict[int, _Episode] = {}
        self._grammars: dict[tuple, Any] = {}  # every decision at the same step number uses the same one

    @classmethod
    def from_pretrained(
        cls, path: str | Path, *, device: str = "cpu", tokenizer: str | Path | None = None, **arguments: Any
    ) -> UnifiedIO2Policy:
        """Load a packaged checkpoint by name, or a directory, with the prompt style stored in it.

        `tokenizer` is another sentencepiece file than the directory's; `arguments` are those of the class.
        """
        cls.check_arguments(path, arguments)
        import torch

        from uio2_agent import UnifiedIO2
        from uio2_agent.formats.packaged import checkpoint_directory

        if str(device).startswith("cuda") and not torch.cuda.is_available():
            raise UIO2Error(f"policy {path}: device={device} was asked for, but torch sees no GPU; use cpu")
        directory = checkpoint_directory(path)
        styles = load_styles(directory, unnamed=embodiments.DEFAULT)
        _check_styles(styles, directory / STYLE_FILE)
        model = UnifiedIO2.from_pretrained(path, tokenizer=tokenizer).to(device).eval()
        arguments.setdefault("style", styles)
        arguments.setdefault("name", Path(path).resolve().name)
        return cls(model, **arguments)

    @classmethod
    def check_arguments(cls, path: str | Path, arguments: Iterable[str]) -> None:
        """Raise UIO2Error for names of arguments that `from_pretrained` does not take; loads nothing."""
        kinds = [kind for kind in cls.__mro__ if issubclass(kind, UnifiedIO2Policy)]
        named = [name for kind in kinds for name in _named_arguments(kind)]
        takes = ["device", "tokenizer", *dict.fromkeys(named)]
        if unknown := [name for name in arguments if name not in takes]:
            raise UIO2Error(
                f"policy {path}: unknown arguments {', '.join(unknown)}{did_you_mean(unknown[0], takes)}; "
                f"policy_args it takes: {', '.join(takes)}"
            )

    @property
    def tokenizer(self) -> Any:
        """The model's text tokenizer."""
        return self.model.processor.tokenizer

    @property
    def vocabulary_hash(self) -> str:
        """Digest of the vocabulary that the answers' tokens belong to."""
        return self.tokenizer.vocabulary.hash()

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        body = embodiments.of(info)
        style = self.style_of(body)
        views = body.views(observation)
        self._episodes[slot] = _Episode(
            body=body,
            style=style,
            task=str(info.get("task", "")),
            prompt=info["prompt"],
            prompt_assets=info["prompt_assets"],
            seed=int(info.get("seed", 0)),
            first_views={view: views[view].copy() for view in style.views if view in views},
            views=deque(maxlen=style.told_views),
        )

    def style_of(self, body: Embodiment) -> PromptStyle:
        """Return how requests for an embodiment look."""
        style = self.style if isinstance(self.style, PromptStyle) else self.style.get(body.name)
        return (style or body.style()).fitted(body.cameras)

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        episodes = [self._episode(step.slot) for step in steps]
        states = [e.body.state(step.observation, step.info) for e, step in zip(episodes, steps, strict=True)]
        asking = [i for i, episode in enumerate(episodes) if self.plan == "replan" or episode.plan is None]
        answers = self._decode([(episodes[i], steps[i], states[i]) for i in asking])
        # From here on nothing fails: a call that raised has changed no episode and can be repeated in parts.
        for i, answer in zip(asking, answers, strict=True):
            episodes[i].answer = answer
            episodes[i].plan = deque(episodes[i].body.parse(answer.text, self.released))
        return [self._next(*each) for each in zip(episodes, steps, states, strict=True)]

    def played(self, slot: int, action: Any) -> None:
        episode = self._episode(slot)
        number = len(episode.executed) - 1
        episode.executed[-1] = episode.body.action_text(action, episode.states[-1], number)

    def answer(self, slot: int) -> Answer | None:
        """Return the last answer decoded for the slot's episode, or None before the first."""
        episode = self._episodes.get(slot)
        return None if episode is None else episode.answer

    def action_text(self, slot: int) -> str | None:
        """Return the text of the slot's last action, numbered by its step."""
        episode = self._episodes.get(slot)
        return episode.executed[-1] if episode and episode.executed else None

    def _episode(self, slot: int) -> _Episode:
        if slot not in self._episodes:
            raise UIO2Error(
                f"slot {slot} was not reset: call policy.reset(slot, observation, info) after env.reset"
            )
        return self._episodes[slot]

    def _next(self, episode: _Episode, step: Step, state: np.ndarray) -> dict[str, Any]:
        action = episode.plan.popleft().action if episode.plan else episode.body.idle_action(state)
        episode.executed.append(episode.body.action_text(action, state, len(episode.executed)))
        episode.states.append(state)
        if episode.style.told_views:
            views = episode.body.views(step.observation)
            episode.views.append({view: views[view].copy() for view in episode.style.views})
        return action

    def _decode(self, asked: Sequence[tuple[_Episode, Step, np.ndarray]]) -> list[Answer]:
        requests = [self._request(episode, step, state) for episode, step, state in asked]
        grammars = [self._grammar(episode, state) for episode, _, state in asked]
        seeds = [
            int(np.random.SeedSequence([self.seed, e.seed, len(e.executed)]).generate_state(1)[0])
            for e, _, _ in asked
        ]
        answers: dict[int, Answer] = {}
        for temperature, rows in self._batches([episode.body for episode, _, _ in asked]):
            found = self.model.generate(
                [requests[row] for row in rows],
                target="text",
                grammar=[grammars[row] for row in rows],
                max_new_tokens=_TOKENS_PER_STEP * (1 if self.plan == "replan" else self.plan_steps),
                temperature=temperature,
                seed=[seeds[row] for row in rows],
                fixed_shape=True,
            )
            answers |= zip(rows, found, strict=True)
        return [answers[row] for row in range(len(asked))]

    def _batches(self, bodies: Sequence[Embodiment]) -> Iterator[tuple[float, list[int]]]:
        """Temperatures and the places of the bodies whose steps are drawn at them, a batch at a time."""
        places: dict[float, list[int]] = {}
        for place, body in enumerate(bodies):
            temperature = body.temperature if self.temperature is None else self.temperature
            places.setdefault(temperature, []).append(place)
        for temperature, alike in places.items():
            for start in range(0, len(alike), self.batch_size):
                yield temperature, alike[start : start + self.batch_size]

    def _request(self, episode: _Episode, step: Step, state: np.ndarray) -> Request:
        body, style = episode.body, episode.style
        now = Moment(
            task=episode.task,
            prompt=episode.prompt,
            prompt_assets=episode.prompt_assets,
            state=state,
            views=body.views(step.observation),
            first_views=episode.first_views,
            executed=episode.executed,
            past_states=episode.states,
            past_views=episode.views,
            goal=episode.goal,
            objects=body.objects(step.observation, step.info) if style.object_boxes else None,
        )
        return body.request(now, style)

    def _grammar(self, episode: _Episode, state: np.ndarray) -> Any:
        steps = 1 if self.plan == "replan" else self.plan_steps
        first = len(episode.executed) if episode.body.numbers_steps else 0
        answer = episode.style.answer
        key = (episode.body.name, *episode.body.kinds(state), first, steps, answer)
        if key not in self._grammars:
            self._grammars[key] = episode.body.grammar(self.tokenizer, state, first, steps, answer)
        return self._grammars[key]


def _named_arguments(kind: type) -> list[str]:
    """Names of what a policy takes beside its model."""
    parameters = list(inspect.signature(kind).parameters.values())[1:]
    return [each.name for each in parameters if each.kind is not inspect.Parameter.VAR_KEYWORD]


def _check_styles(styles: Mapping[str, PromptStyle], path: Path) -> None:
    """Raise UIO2Error, naming the file, for a style that its body cannot have; warn of bodies not installed.

    A body of the form `module:attribute` is not imported because a file says so.
    """
    for name in styles:
        if name not in embodiments.names():
            if ":" not in name:
                warnings.warn(
                    f"{path} has a style for the embodiment {shown(name)}, which is not installed; here are "
                    f"{', '.join(embodiments.names())}",
                    stacklevel=3,
                )
            continue
        body = embodiments.get(name)
        try:
            body.wordings(styles[name].fitted(body.cameras))
        except UIO2Error as error:
            raise UIO2Error(f"{path}: {error}") from None
