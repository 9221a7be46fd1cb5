"""How an episode will look when its task is done, drawn by a model from the first observation and the
instruction. Source: Unified-IO 2 (arXiv 2312.17172), goal images among its embodied tasks.

Unusual: all pictures that are compared lie on one grid, that of the model's image tokenizer: what is drawn,
the real goal, the first observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

Observed = tuple[Mapping[str, Any], Mapping[str, Any]]
"""An observation and the info that came with it."""


@dataclass(frozen=True)
class Goal:
    """A drawn goal: float32 [H, W, 3] in [0, 1], and the tokens it is made of, int64 [N]."""

    picture: np.ndarray
    tokens: np.ndarray


class Imagination:
    """Draws goals with a `UnifiedIO2` model that answers with pictures.

    Arguments
        styles: how requests look, by embodiment; others as the embodiment wants them for released sizes.
        guidance, temperature, top_p: as `GenerationOptions` has them.
        seed: with an episode's own it decides what is drawn.

    Raises UIO2Error for a model that draws no pictures.
    """

    def __init__(
        self,
        model: Any,
        styles: Mapping[str, PromptStyle],
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
        self.model, self._styles, self._seed = model, styles, seed
        self._options = {"guidance": guidance, "temperature": temperature, "top_p": top_p}

    def style_of(self, body: Embodiment) -> PromptStyle:
        """Return how requests for a body look."""
        return (self._styles.get(body.name) or body.style()).fitted(body.cameras)

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
        return goal_view_request(body, now, self.style_of(body))

    def draw(self, firsts: Sequence[Observed]) -> list[Goal]:
        """Draw the goals of episodes from their first observations."""
        seeds = [
            int(np.random.SeedSequence([self._seed, int(info.get("seed", 0))]).generate_state(1)[0])
            for _, info in firsts
        ]
        answers = self.model.generate(
            [self.request(first) for first in firsts],
            target="image",
            seed=seeds,
            fixed_shape=True,
            **self._options,
        )
        return [Goal(answer.image.astype(np.float32) / 255, answer.tokens) for answer in answers]

    def real(self, first: Observed, later: Observed) -> tuple[np.ndarray, np.ndarray]:
        """Return a later observation of an episode as the model would have to draw it, float32 [H, W, 3] in
        [0, 1], and the best that its tokenizer can make of that.
        """
        import torch

        from uio2_agent.inputs.code_targets import image_target

        observation, info = later
        body = embodiments.of(info)
        seen = scene(body, body.views(observation), self.style_of(body))
        wanted = image_target([self.request(first)], [Target(image=seen)], self.model.config, [None])
        embedder = self.model.targets["image"]
        with torch.no_grad():
            tokens = embedder.tokens(wanted.to(self.model.device)).targets
            best = embedder.decode(tokens)[0].cpu().numpy()
        return (wanted.values[0].numpy() + 1) / 2, best
