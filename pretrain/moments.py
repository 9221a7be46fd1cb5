"""One step of a stored episode, as it was or as it would have been under symmetries of its embodiment.

Which symmetries there are, and which tasks and cameras allow them, the embodiment knows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from policies import embodiments
from policies.moment import Moment
from pretrain.clearing import cleared
from pretrain.recasting import Recast
from pretrain.sources import StoredEpisode


def learned_steps(record: StoredEpisode) -> Sequence[int]:
    """Return the steps whose action is learned: where the expert was asked, those it had an answer to."""
    return [step for step, text in enumerate(record.expert_texts) if text] or range(record.length)


def moment(
    record: StoredEpisode,
    step: int,
    cameras: Sequence[str],
    flags: Sequence[bool] = (),
    past: int = 0,
    goal: np.ndarray | None = None,
    recast: Recast | None = None,
) -> Moment:
    """Take step `step` of an episode in the given camera views, and the views before the `past` steps that
    led there; `goal` is a picture of the end, `recast` another task of which the step is one. Where the
    expert was asked, what remains is what it would have done. `flags` ask for symmetries, in the order of
    `Embodiment.symmetries`, where they are allowed.
    """
    recast = recast or Recast(record.prompt, record.prompt_assets, 0, len(record.action_texts))
    first, texts = recast.first, record.action_texts
    advice = record.expert_texts[step]
    earlier = range(max(first, step - past), step)

    def seen(at: int) -> tuple[dict[str, np.ndarray], Sequence[Mapping[str, Any]]]:
        views = {camera: record.frames[camera][at] for camera in cameras}
        return cleared(views, record.objects[at], recast.left_out)

    views, objects = seen(step)
    first_views, first_objects = seen(first) if first < step else (views, objects)
    now = Moment(
        task=record.task,
        prompt=recast.prompt,
        prompt_assets=recast.assets,
        state=record.states[step],
        views=views,
        first_views=first_views,
        executed=texts[first:step],
        past_states=record.states[first:step],
        past_views=[seen(at)[0] for at in earlier],
        remaining=[advice] if advice else recast.remaining or texts[step : recast.end],
        goal=goal,
        goal_objects=record.final_objects if goal is not None else None,
        next_state=_next_state(record, step) if recast.remaining is None else None,
        objects=objects,
        first_objects=first_objects,
    )
    return embodiments.get(record.embodiment).changed(now, flags, cameras) if any(flags) else now


def _next_state(record: StoredEpisode, step: int) -> np.ndarray | None:
    """The state after what is learned at a step, where it is known: the stored one if that was done, and the
    same if it does next to nothing.
    """
    learned = record.expert_texts[step] or record.action_texts[step]
    body, state = embodiments.get(record.embodiment), record.states[step]
    if learned == body.action_text(body.idle_action(state), state, step):
        return state
    if learned != record.action_texts[step] or step + 1 >= len(record.states):
        return None
    return record.states[step + 1]
