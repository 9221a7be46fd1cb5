"""Which stored episodes a run learns from, which it holds back, and which words their objects have."""

from pretrain.errors import TrainingError
from pretrain.sources import FIRST_HELD_OUT_SEED, EpisodeFolders
from pretrain.sources.schema import episode_identity


def split_episodes(source: EpisodeFolders, validation: int) -> tuple[list[int], list[int]]:
    """Return the episodes to train on, and `validation` others of them, held back: the successful ones, and
    those whose every step the expert has judged.

    Raises TrainingError when one has a held-out seed or stands there twice, or too few are left.
    """
    facts = source.facts
    if held_out := [fact["seed"] for fact in facts if fact["seed"] >= FIRST_HELD_OUT_SEED]:
        raise TrainingError(
            f"the data hold {len(held_out)} episodes with held-out seeds (from {FIRST_HELD_OUT_SEED} on, "
            f"first {held_out[0]}): these are for evaluation; collect with smaller seeds"
        )
    found: dict[str, int] = {}
    for index, fact in enumerate(facts):
        if (other := found.setdefault(episode_identity(fact), index)) != index:
            raise TrainingError(
                f"episodes {other} and {index} of the data are the same one: name each set once in data="
            )
    good = [index for index, fact in enumerate(facts) if fact["success"] or fact["has_expert"]]
    validation = min(validation, len(good) // 10)
    if len(good) < 2:
        raise TrainingError(f"the data hold {len(good)} successful episodes: collect more")
    held = {good[index * len(good) // validation] for index in range(validation)}  # evenly over all folders
    return [index for index in good if index not in held], sorted(held)


def seen_words(source: EpisodeFolders) -> tuple[list[str], list[str]]:
    """Return the names and the textures of the objects of some two thousand episodes, sorted: what the eye
    tells apart.
    """
    names, textures = set(), set()
    for index in range(0, len(source), max(1, len(source) // 2000)):
        for thing in source[index].objects[0]:
            names.add(thing["name"])
            textures.add(thing["texture"])
    return sorted(names), sorted(textures)
