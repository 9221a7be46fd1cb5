"""Image and audio targets: decoder inputs, sparse patterns, dynamic masks."""

from functools import cache

import torch
from torch import Tensor, nn

from tests.training_parity.compare import Check, Errors, Values, different
from tests.uio2_agent.tiny import full_config
from uio2_agent.inputs.batch import CodeTarget
from uio2_agent.network import masks
from uio2_agent.targets.codes import CodeTargetEmbedder, shifted_right

_CPU = torch.device("cpu")


class _Given(CodeTargetEmbedder):
    """An embedder whose pictures are their codes."""

    def codes(self, values: Tensor) -> Tensor:
        return values


@cache
def _embedder() -> _Given:
    return _Given(full_config(), nn.Identity())


def check_image_targets(case: Values) -> Errors:
    """Compare tokens both sides and what they may look at, with the recorded settings."""
    codes, hidden = (torch.from_numpy(case[name]) for name in ("codes", "task_mask"))
    codes, hidden = codes.long(), hidden.bool()
    everywhere = torch.ones_like(hidden)
    target = _embedder().tokens(CodeTarget(codes, everywhere, everywhere, hidden))
    flags = bool(case["unk_mask_token"]), bool(case["shift_back_input_token"])
    inputs = target.inputs if flags == (False, False) else shifted_right(target.targets, hidden, *flags)
    grid = int(case["grid_h"]), int(case["grid_w"])
    causal = masks.causal(codes.shape[1], _CPU)
    patterns = [causal] * 4
    if case["dalle_attn_mask"]:
        kinds = (masks.row_pattern, masks.column_pattern, masks.convolution_pattern)
        patterns = [*(kind(*grid, _CPU) for kind in kinds), causal]
    allowed = torch.stack(patterns)[None].expand(len(codes), -1, -1, -1)
    if case["dynamic_unk_mask"]:
        allowed = allowed & masks.dynamic_mask(target.hidden)[:, None]
    return {
        "input_tokens": different(case["input_tokens"], inputs),
        "target_tokens": different(case["target_tokens"], target.targets),
        "mask": different(case["mask"], target.mask),
        "attn_pattern_mask": different(case["attn_pattern_mask"], allowed),
    }


def check_patterns(case: Values) -> Errors:
    """Compare all patterns; a kernel of 11 reaches 5 to each side, a kernel of 3 reaches 1."""
    grid = int(case["h"]), int(case["w"])
    found = {
        "row": masks.row_pattern(*grid, _CPU),
        "col": masks.column_pattern(*grid, _CPU),
        "conv": masks.convolution_pattern(*grid, _CPU),
        "conv3": masks.convolution_pattern(*grid, _CPU, 1),
        "full": masks.causal(grid[0] * grid[1], _CPU),
    }
    return {name: different(case[name], mask) for name, mask in found.items()}


CHECKS = {"image_targets": Check(check_image_targets), "sparse_patterns": Check(check_patterns)}
