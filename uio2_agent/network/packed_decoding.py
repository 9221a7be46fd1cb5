"""The decoder over packed rows: targets of all modalities side by side in the rows their requests share."""

import torch
from torch import Tensor, nn

from uio2_agent.config import TARGET_MODALITIES
from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.network.encoded import Encoded
from uio2_agent.network.masks import layer_pattern, shown_inputs
from uio2_agent.network.packed_masks import (
    Slots,
    attention_under,
    earlier_target,
    same_segment,
)
from uio2_agent.network.packing import Layout, present
from uio2_agent.network.positions import rotary_pair


def decode_rows(
    network: nn.Module, targets: dict[str, TokenTarget], encoded: Encoded
) -> dict[str, tuple[Tensor, Tensor]]:
    """Run the decoder of a network (`uio2_agent.model`) over the targets of packed requests.

    Returns, by modality, the normed hidden states [n, D] of the tokens that count, and these tokens [n].
    """
    masks = [present(target) for target in targets.values()]
    layout = Layout.of(masks, encoded.packed.rows, encoded.packed.decoder_multiple)
    embeds, turns, slots = [], [], []
    for part, (name, target) in enumerate(targets.items()):
        inputs, positions = (layout.present(part, ids) for ids in (target.inputs, target.positions))
        embed, turn = network.targets[name].embed(inputs, positions, network.table(name))
        embeds.append(embed)
        turns.append(turn)
        slots.append(_slots(network, part, name, target, layout))
    embed, dtype = layout.fold(embeds), embeds[0].dtype
    rotary = rotary_pair(layout.fold(turns), dtype)
    queries = Slots(layout.segment, *(layout.fold(values) for values in zip(*slots, strict=True)))
    if not network.config.dynamic_masking:
        queries = Slots(queries.segment, queries.answer, queries.place, queries.columns)
    biases = attention_under(_rules(network), queries, queries, dtype, causal=True)
    (crossing,) = attention_under(
        [same_segment], Slots(layout.segment), Slots(encoded.packed.layout.segment), dtype
    )
    cross = network.decoder.cross(encoded.hidden, encoded.rotary)
    hidden = network.decoder(embed, biases, rotary, cross, crossing).flatten(0, 1)
    decoded = {}
    for part, (name, target) in enumerate(targets.items()):
        counts = layout.present(part, target.mask)
        places = layout.places[part][counts]
        decoded[name] = hidden.index_select(0, places), layout.present(part, target.targets)[counts]
    return decoded


def _slots(
    network: nn.Module, part: int, name: str, target: TokenTarget, layout: Layout
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return answer, place, columns and shown of a target's tokens, each [n]."""
    tokens, grid = layout.tokens[part], network.targets[name].grid
    place = (tokens % target.inputs.shape[1]).to(torch.int32)
    if target.hidden is None:
        shown = torch.ones_like(tokens, dtype=torch.bool)
    else:
        shown = layout.present(part, shown_inputs(target.hidden))
    answer = torch.full_like(place, part)
    if target.answer is not None:
        answer += len(TARGET_MODALITIES) * layout.present(part, target.answer).to(torch.int32)
    return answer, place, torch.full_like(place, grid[1] if grid else 0), shown


def _rules(network: nn.Module) -> list:
    """Return the rule of each decoder layer, the same object for the same pattern."""
    layers, sparse = network.config.decoder_layers, network.config.sparse_patterns
    patterns = [layer_pattern(layer, layers) if sparse else None for layer in range(layers)]
    rules = {pattern: earlier_target(pattern) for pattern in patterns}
    return [rules[pattern] for pattern in patterns]
