"""The model as a policy: slots → requests → one batch → action text → actions.

By default every step is planned anew from the present observation, the first one and the executed steps; only
the first step of the answer is decoded. `plan="once"` is the paper's protocol: the whole plan from the first
observation. Unusual: answers are decoded under the grammar of action plans, so every answer parses, whatever
the weights.

Knows requests and action texts through `policies.prompts` and `policies.embodiments.vima`;
knows no environment.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from policies.base import Policy, Step
from policies.embodiments.vima import VimaActionCodec, idle_action
from policies.prompts import PromptStyle, action_request, seen_boxes
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Answer, Request

PLANS = ("replan", "once")
_TOKENS_PER_STEP = 40  # LLaMA's pieces need 25 with long numbers


@dataclass
class _Episode:
    """What the policy remembers of a running episode."""

    prompt: str
    prompt_assets: Mapping[str, Any]
    end_effector: int
    seed: int
    first_rgb: Mapping[str, np.ndarray]
    executed: list[str] = field(default_factory=list)
    plan: deque[dict[str, Any]] | None = None
    """Steps still to be played with plan="once"; None before the plan was made."""
    answer: Answer | None = None


class UnifiedIO2Policy(Policy):
    """Act with a `UnifiedIO2` model.

    Parameters
    ----------
    model
        Anything with `processor.tokenizer` and `generate` as `uio2_agent.UnifiedIO2` has them.
    style
        How requests look; must be the style the model was trained on.
    plan
        "replan": ask before every step. "once": ask after reset, play the answer, then idle.
    batch_size
        Most requests in one model call. Every request is padded to the same fixed shape.
    temperature, seed
        0 decodes greedily. Above 0 tokens are drawn; an episode's draws depend on its seed and this one.
    released
        Read location tokens as the released UIO-2 code does (bin/1000).
    plan_steps
        Longest plan with plan="once".
    """

    def __init__(
        self,
        model: Any,
        style: PromptStyle | None = None,
        *,
        name: str = "unified_io2",
        plan: str = "replan",
        batch_size: int = 8,
        temperature: float = 0.0,
        seed: int = 0,
        released: bool = False,
        plan_steps: int = 8,
    ) -> None:
        if plan not in PLANS:
            raise UIO2Error(f"plan={plan!r} is unknown; use one of {', '.join(PLANS)}")
        if batch_size < 1 or plan_steps < 1 or temperature < 0:
            raise UIO2Error(
                f"batch_size={batch_size}, plan_steps={plan_steps}, temperature={temperature}: "
                "the first two are at least 1, the temperature at least 0"
            )
        self.name = name
        self.model = model
        self.style = style or PromptStyle()
        self.plan = plan
        self.batch_size = batch_size
        self.temperature = temperature
        self.seed = seed
        self.plan_steps = plan_steps
        self.codec = VimaActionCodec(released=released)
        self._episodes: dict[int, _Episode] = {}

    @classmethod
    def from_pretrained(
        cls, path: str | Path, *, device: str = "cpu", tokenizer: str | Path | None = None, **arguments: Any
    ) -> UnifiedIO2Policy:
        """Load a packaged checkpoint by name, or a directory, with the prompt style stored in it.

        `tokenizer` is another sentencepiece file than the directory's; `arguments` are those of the class.
        """
        import torch

        from uio2_agent import UnifiedIO2
        from uio2_agent.formats.packaged import checkpoint_directory

        takes = [name for name in inspect.signature(cls).parameters if name != "model"]
        if unknown := [name for name in arguments if name not in takes]:
            known = ", ".join(["device", "tokenizer", *takes])
            raise UIO2Error(
                f"policy {path}: unknown arguments {', '.join(unknown)}; policy_args it takes: {known}"
            )
        if str(device).startswith("cuda") and not torch.cuda.is_available():
            raise UIO2Error(f"policy {path}: device={device} was asked for, but torch sees no GPU; use cpu")
        style = PromptStyle.load(checkpoint_directory(path))
        model = UnifiedIO2.from_pretrained(path, tokenizer=tokenizer).to(device).eval()
        arguments.setdefault("style", style)
        arguments.setdefault("name", Path(path).name)
        return cls(model, **arguments)

    @property
    def tokenizer(self) -> Any:
        """The model's text tokenizer."""
        return self.model.processor.tokenizer

    @property
    def vocabulary_hash(self) -> str:
        """Digest of the vocabulary that the answers' tokens belong to."""
        return self.tokenizer.vocabulary.hash()

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        self._episodes[slot] = _Episode(
            prompt=info["prompt"],
            prompt_assets=info["prompt_assets"],
            end_effector=int(info["end_effector"]),
            seed=int(info.get("seed", 0)),
            first_rgb={view: np.array(observation["rgb"][view]) for view in self.style.views},
        )

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        episodes = [self._episode(step.slot) for step in steps]
        asking = [i for i, episode in enumerate(episodes) if self.plan == "replan" or episode.plan is None]
        answers = self._decode([(episodes[i], steps[i]) for i in asking])
        # From here on nothing fails: a call that raised has changed no episode and can be repeated in parts.
        for i, answer in zip(asking, answers, strict=True):
            episodes[i].answer = answer
            episodes[i].plan = deque(step.action for step in self.codec.parse(answer.text))
        return [self._next(episode) for episode in episodes]

    def answer(self, slot: int) -> Answer | None:
        """Return the last answer decoded for the slot's episode, or None before the first."""
        episode = self._episodes.get(slot)
        return None if episode is None else episode.answer

    def _episode(self, slot: int) -> _Episode:
        if slot not in self._episodes:
            raise UIO2Error(
                f"slot {slot} was not reset: call policy.reset(slot, observation, info) after env.reset"
            )
        return self._episodes[slot]

    def _next(self, episode: _Episode) -> dict[str, Any]:
        action = episode.plan.popleft() if episode.plan else idle_action(episode.end_effector)
        episode.executed.append(self.codec.encode(action, episode.end_effector, len(episode.executed)))
        return action

    def _decode(self, asked: Sequence[tuple[_Episode, Step]]) -> list[Answer]:
        requests = [self._request(episode, step) for episode, step in asked]
        grammars = [self._grammar(episode) for episode, _ in asked]
        seeds = [
            int(np.random.SeedSequence([self.seed, e.seed, len(e.executed)]).generate_state(1)[0])
            for e, _ in asked
        ]
        answers: list[Answer] = []
        for start in range(0, len(asked), self.batch_size):
            rows = slice(start, start + self.batch_size)
            answers += self.model.generate(
                requests[rows],
                target="text",
                grammar=grammars[rows],
                max_new_tokens=_TOKENS_PER_STEP * (1 if self.plan == "replan" else self.plan_steps),
                temperature=self.temperature,
                seed=seeds[rows],
                fixed_shape=True,
            )
        return answers

    def _request(self, episode: _Episode, step: Step) -> Request:
        return action_request(
            episode.prompt,
            episode.prompt_assets,
            episode.end_effector,
            step.observation["rgb"],
            first_rgb=episode.first_rgb,
            executed=episode.executed,
            style=self.style,
            objects=_seen(step) if self.style.object_boxes else None,
        )

    def _grammar(self, episode: _Episode) -> Any:
        steps = 1 if self.plan == "replan" else self.plan_steps
        return self.codec.grammar(
            self.tokenizer, episode.end_effector, first=len(episode.executed), max_steps=steps
        )


def _seen(step: Step) -> list[dict[str, Any]]:
    """The objects on the table with their boxes, as training finds them in a dataset."""
    things = step.info["objects"]
    boxes = seen_boxes([thing.id for thing in things], step.observation["segm"])
    return [
        {"name": thing.name, "texture": thing.texture, "boxes": box}
        for thing, box in zip(things, boxes, strict=True)
    ]
