"""How an episode will look when its task is done, drawn by a model from the first observation and the
instruction. Source: Unified-IO 2 (arXiv 2312.17172), goal images among its embodied tasks.

Unusual: all pictures that are compared lie on one grid, that of the model's image tokenizer: what is drawn,
the real goal, the first observation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from policies import embodiments
from policies.embodiments.base import Embodiment
from policies.moment import Moment
from policies.prompts import scene
from policies.questions import goal_view_request
from policies.style import PromptStyle
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Request, Target

_MARKER = re.compile(r"<image_\w+>")
Observed = tuple[Mapping[str, Any], Mapping[str, Any]]
"""An observation and the info that came with it."""


PICTURES = "pictures"
"""The folder, below the results of `uio2 imagine`, of the pictures it compares."""


def picture_name(task: str, level: str, seed: int, kind: str) -> str:
    """Return what a picture of an episode is called there."""
    return f"{task}-{level}-{seed}-{kind}.png"


@dataclass(frozen=True)
class Goal:
    """A drawn goal: float32 [H, W, 3] in [0, 1], and the tokens it is made of, int64 [N]."""

    picture: np.ndarray
    tokens: np.ndarray
    belief: float
    """How much likelier the model holds it for this instruction than for none, nats a token."""


class Imagination:
    """Draws goals with a `UnifiedIO2` model that answers with pictures.

    Arguments:
        style_of: how requests for a body look, all cameras named (`UnifiedIO2Policy.style_of`).
        guidance, temperature, top_p: as `GenerationOptions` has them.
        seed: with an episode's own it decides what is drawn.

    Raises UIO2Error for a model that draws no pictures.
    """

    def __init__(
        self,
        model: Any,
        style_of: Callable[[Embodiment], PromptStyle],
        *,
        guidance: float = 0.0,
        temperature: float = 0.0,
        top_p: float | None = None,
        seed: int = 0,
    ) -> None:
        if "image" not in model.config.target_modalities:
            raise UIO2Error(
                "the model answers with no pictures: start it from nano_goal, nano_all or a released size"
            )
        self.model, self._style_of, self._seed = model, style_of, seed
        self._options = {"guidance": guidance, "temperature": temperature, "top_p": top_p}

    def request(self, first: Observed) -> Request:
        """Return the question that a first observation makes."""
        observation, info = first
        body = embodiments.of(info)
        now = Moment(
            task=str(info.get("task", "")),
            prompt=info["prompt"],
            prompt_assets=info["prompt_assets"],
            state=body.state(observation, info),
            views=body.views(observation),
        )
        return goal_view_request(body, now, self._style_of(body))

    def draw(self, firsts: Sequence[Observed], again: int = 0) -> list[Goal]:
        """Draw the goals of episodes from their first observations; `again` counts earlier drawings."""
        if not firsts:
            return []
        seeds = [
            int(np.random.SeedSequence([self._seed, int(info.get("seed", 0)), again]).generate_state(1)[0])
            for _, info in firsts
        ]
        requests = [self.request(first) for first in firsts]
        answers = self.model.generate(requests, target="image", seed=seeds, fixed_shape=True, **self._options)
        return [
            Goal(
                answer.image.astype(np.float32) / 255,
                answer.tokens,
                belief(self.model, request, answer.tokens),
            )
            for request, answer in zip(requests, answers, strict=True)
        ]

    def real(self, first: Observed, later: Observed) -> tuple[np.ndarray, np.ndarray]:
        """Return a later observation of an episode as the model would have to draw it, float32 [H, W, 3] in
        [0, 1], and the best that its tokenizer can make of that.
        """
        import torch

        from uio2_agent.inputs.code_targets import image_target

        observation, info = later
        body = embodiments.of(info)
        seen = scene(body, body.views(observation), self._style_of(body).drawn)
        wanted = image_target([self.request(first)], [Target(image=seen)], self.model.config, [None])
        embedder = self.model.targets["image"]
        with torch.no_grad():
            tokens = embedder.tokens(wanted.to(self.model.device)).targets
            best = embedder.decode(tokens)[0].cpu().numpy()
        return (wanted.values[0].numpy() + 1) / 2, best


def belief(model: Any, request: Request, tokens: np.ndarray) -> float:
    """Return the mean log-probability of a picture's tokens, int64 [N], under a request, less that under the
    same pictures with no words.
    """
    import torch

    from uio2_agent.generation.options import NEGATIVES
    from uio2_agent.inputs.batch import TokenTarget

    targets = torch.from_numpy(np.asarray(tokens)).to(model.device).expand(2, -1)
    whole = torch.ones_like(targets, dtype=torch.bool)
    positions = torch.arange(targets.shape[1], device=model.device).expand_as(targets)
    inputs = torch.nn.functional.pad(targets[:, :-1], (1, 0))
    wordless = replace(request, text=" ".join(_MARKER.findall(request.text)) or NEGATIVES["image"])
    with torch.inference_mode():
        batch = model.processor([request, wordless], target="image")
        encoded = model.encode(batch.to(model.device))
        scored = model.score(
            TokenTarget(inputs, targets, whole, positions),
            encoded,
            modality="image",
        )
        logits = scored.logits["image"].float().log_softmax(-1)  # [2, N, V]
        chosen = logits.gather(-1, targets[..., None])[..., 0].mean(1)
    return float(chosen[0] - chosen[1])
