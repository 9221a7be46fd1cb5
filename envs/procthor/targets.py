"""What an agent is sent to find: the 16 categories of RoboTHOR's object navigation; and words for categories.

Source: Deitke et al. 2022, ProcTHOR (arXiv 2206.06994), which trains on the categories of RoboTHOR.
"""

import functools

TARGETS = (
    *("AlarmClock", "Apple", "BaseballBat", "BasketBall", "Bed", "Bowl", "Chair", "GarbageCan"),
    *("HousePlant", "Laptop", "Mug", "Sofa", "SprayBottle", "Television", "Toilet", "Vase"),
)

_WORDS = {
    "ArmChair": "armchair",
    "BasketBall": "basketball",
    "CD": "CD",
    "CounterTop": "countertop",
    "TableTopDecor": "tabletop decoration",
    "Television": "television",
    "TVStand": "TV stand",
}


@functools.cache
def words(target: str) -> str:
    """Return a category in words.

    >>> words("AlarmClock"), words("BasketBall")
    ('alarm clock', 'basketball')
    """
    if target in _WORDS:
        return _WORDS[target]
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in target).strip()
