"""Devices by name, of those that this machine has; loads torch when it is asked."""

from typing import TYPE_CHECKING

from uio2_agent.errors import UIO2Error

if TYPE_CHECKING:
    import torch


def device_of(name: str) -> "torch.device":
    """Return the device of a name, `auto` the best one here; UIO2Error if this machine has no such."""
    import torch

    here = ["cpu"]
    if torch.cuda.is_available():
        here += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name == "auto":
        return torch.device("cuda" if "cuda" in here else "cpu")
    if name not in here:
        raise UIO2Error(f"there is no device {name!r} here: choose one of auto, {', '.join(here)}")
    return torch.device(name)
