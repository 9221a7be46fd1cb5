"""The processes of a run: one, or several that `torchrun` started, which agree on sums and decisions."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """This process among those of the run.

    >>> Processes().any(True, False)
    (True, False)
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def joined(cls) -> "Processes":
        """Join the processes that were started together with this one: `torchrun` tells through variables."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), count)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes what is written once."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, tell whether it is set in any process."""
        if self.count == 1:
            return flags
        return tuple(bool(value) for value in self.sum(torch.tensor([float(flag) for flag in flags])))

    def gather(self, lines: list[str]) -> list[str]:
        """Return the lines of all processes, in the order of these."""
        if not any(self.any(bool(lines))):
            return []
        if self.count == 1:
            return lines
        gathered: list[list[str]] = [[]] * self.count
        dist.all_gather_object(gathered, lines)
        return [line for part in gathered for line in part]

    def wait(self) -> None:
        """Go on when all are here."""
        if self.count > 1:
            dist.barrier()

    def leave(self) -> None:
        """End what joins the processes."""
        if self.count > 1 and dist.is_initialized():
            dist.destroy_process_group()


ALONE = Processes()
