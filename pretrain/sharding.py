"""How a network is laid out for training: what is recomputed, compiled, and dealt out over processes."""

from functools import partial

import torch
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.utils.checkpoint import checkpoint

from pretrain.mixture_objective import MixtureObjective
from uio2_agent.model import Network


def layers_of(network: Network) -> list[nn.Module]:
    """Return the layers of encoder and decoder."""
    return [*network.encoder.layers, *network.decoder.layers]


def recompute_layers(network: Network) -> None:
    """Let the backward pass run each layer again instead of keeping what it computed, in place."""
    network.decoder.crosses_inside = True
    for layer in layers_of(network):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def compile_layers(network: Network) -> None:
    """Compile each layer where it is called, in place; lengths may change from step to step."""
    for layer in layers_of(network):
        layer.compile(dynamic=True)


def shard(objective: MixtureObjective, half_precision: bool) -> None:
    """Deal the weights out over the processes that run, in place: one group of shards for each layer, whose
    weights are together only while it runs, and one for all else.

    With `half_precision` the layers' weights travel as bfloat16; gradients are summed in float32. What goes
    from layer to layer stays float32, as autocast has it in a single process.
    """
    travels = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if half_precision else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    objective.network.decoder.crosses_inside = True
    for layer in layers_of(objective.network):
        fully_shard(layer, mp_policy=travels)
    fully_shard(objective)
