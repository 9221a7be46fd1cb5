"""What an optimizer's update costs: `python -m benchmarks.optimizers [--model nano] [--device cpu]`.

Random gradients on a model's weights, median of several updates, in turns. torch's own Muon works in
bfloat16, one matrix after another; what AdamW does for the other weights is in both.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from pretrain.optim import build_named_optimizer, set_learning_rate
from pretrain.settings import OPTIMIZERS
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.presets import PRESETS
from uio2_agent.unified_io2 import UnifiedIO2

_UPDATES = 5
_TORCHS = "muon of torch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", choices=sorted(PRESETS))
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with torch.device(options.device):
        model = UnifiedIO2(UnifiedIO2Config.preset(options.model))
    updates = {name: _update(name, model) for name in (*OPTIMIZERS, _TORCHS)}
    seconds: dict[str, list[float]] = {name: [] for name in updates}
    for _ in range(_UPDATES + 1):  # the first of each allocates its state
        for weight in model.parameters():
            weight.grad = torch.randn_like(weight)
        for name, update in updates.items():
            seconds[name].append(_timed(update, options.device))
    matrices = [g for g in build_named_optimizer("muon", model, 0.0).param_groups if g["orthogonal"]]
    turned = sum(weight.numel() for group in matrices for weight in group["params"])
    whole = sum(weight.numel() for weight in model.parameters())
    of = f"{whole / 1e6:.1f} M weights, {turned / 1e6:.1f} M made orthogonal"
    table = Table(title=f"an update of {options.model}: {of}")
    for head in ("optimizer", "ms", "x muon"):
        table.add_column(head, justify="left" if head == "optimizer" else "right")
    medians = {name: statistics.median(spent[1:]) for name, spent in seconds.items()}
    for name, median in medians.items():
        table.add_row(name, f"{1e3 * median:.1f}", f"{median / medians['muon']:.2f}")
    Console(width=100).print(table)


def _update(name: str, model: UnifiedIO2) -> Callable[[], object]:
    """What updates all weights of a model."""
    optimizers = [build_named_optimizer("muon" if name == _TORCHS else name, model, 0.0)]
    if name == _TORCHS:
        groups = optimizers[0].param_groups
        sides = [[w for g in groups if g["orthogonal"] is way for w in g["params"]] for way in (True, False)]
        optimizers = [torch.optim.Muon(sides[0]), torch.optim.AdamW(sides[1], fused=True)]
    for optimizer in optimizers:
        set_learning_rate(optimizer, 1e-6)
    return lambda: [optimizer.step() for optimizer in optimizers]


def _timed(update: Callable[[], object], device: str) -> float:
    """Seconds of the calling process, or until a GPU is done."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    began = clock()
    update()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return clock() - began


if __name__ == "__main__":
    main()
