"""Whether a run that goes on has the data and the order it began with: what it keeps, and what differs."""

from collections.abc import Mapping
from typing import Any

from pretrain.errors import TrainingError
from pretrain.example_stream import ExampleStream


def identities(stream: ExampleStream) -> dict[str, Any]:
    """Return plain JSON values that tell a run's data and order: what a checkpoint keeps."""
    mixture = stream.mixture
    return {
        "seed": mixture.seed,
        "held_back": stream.held_back,
        "rates": mixture.rates,
        "limits": mixture.most,
        "sources": {name: source.identity for name, source in stream.sources.items()},
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for everything that differs between two `identities`; none where the order is the same.

    A run that goes on with other data is another run from there on; the examples held back stay the same as
    long as `held_back` does.
    """
    lines = []
    old, new = before["sources"], now["sources"]
    lines += [f"source {name} is new" for name in new if name not in old]
    lines += [f"source {name} is gone" for name in old if name not in new]
    for name in old:
        if name in new and old[name] != new[name]:
            lines.append(f"source {name} {_change(old[name], new[name])}")
    for field in ("seed", "held_back", "rates", "limits"):
        if before[field] != now[field]:
            lines.append(f"{field} was {before[field]} and is {now[field]}")
    return lines


def check_unchanged(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise TrainingError with all `changes` when there are any."""
    if lines := changes(before, now):
        raise TrainingError(
            f"the data are not those this run began with: {'; '.join(lines)}. Put them back, or begin a new "
            "run from the checkpoint"
        )


def _change(old: str, new: str) -> str:
    before, after = (int(identity.split()[0]) for identity in (old, new))
    if before == after:
        return "holds other examples"
    return f"has {'grown' if before < after else 'shrunk'} from {before} to {after} examples"
