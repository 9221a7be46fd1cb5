"""Memory, communication and time of pre-training on many cards, from the shapes of a model and a card's data.

Nothing here is measured: it is the arithmetic behind `docs/scaling.md`. Weights, gradients and moments are
dealt out over all cards (FSDP2), layers are recomputed in the backward pass, the layers' weights travel as
bfloat16 and the gradients as float32.
"""

import math
from dataclasses import dataclass

import torch

from pretrain.flops import transformer_flops
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.model import Network

GIB = 2**30
_FILLED = 0.85
"""Share of a card's memory that is planned with."""
RECOMPUTED = 4
"""Forward, forward again, and the backward pass, in forward passes."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card and what joins it to others."""

    name: str
    flops: float
    """Dense bfloat16 operations a second."""
    memory: float
    """Bytes."""
    inside: float
    """Bytes a second to the other cards of its machine, in one direction."""
    outside: float
    """Bytes a second to other machines, in one direction, of each card."""
    of_a_machine: int = 8


H100 = Card(name="H100 SXM", flops=989.4e12, memory=80e9, inside=450e9, outside=50e9)
H200 = Card(name="H200 SXM", flops=989.4e12, memory=141e9, inside=450e9, outside=50e9)
CARDS = {"H100": H100, "H200": H200}
"""From the data sheets: NVLink at 900 GB/s both ways, one 400 Gb/s network card for each."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run: what is trained on what."""

    batch: int = 512
    """Examples in a step, over all cards."""
    steps: int = 1_500_000
    encoder_row: int = 864
    decoder_row: int = 1280
    examples_per_row: float = 2.0
    patches: float = 800.0
    """Patches of an example that the ViT runs on: half of an image's and of four history frames'."""
    utilisation: float = 0.55
    """Share of the card's peak that its arithmetic reaches."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan takes on each of a number of cards; bytes, seconds."""

    cards: int
    portions: int
    """In which a card takes its share of a step, because of its memory."""
    weights: float
    """Of the shard: weights and gradients in float32, moments of the optimizer."""
    gathered: float
    """Weights of the two layers that are together at once in bfloat16, and of the group that always is."""
    activations: float
    communicated: float
    """Bytes that a card sends in a step."""
    arithmetic_s: float
    communication_s: float

    @property
    def memory(self) -> float:
        """Bytes a card holds."""
        return self.weights + self.gathered + self.activations

    @property
    def step_s(self) -> float:
        """Seconds of a step, arithmetic and communication at the same time."""
        return max(self.arithmetic_s, self.communication_s)


@dataclass(frozen=True)
class Numbers:
    """How many numbers there are: in all, those that learn, in the image's ViT, in a layer, in no layer."""

    held: int
    learning: int
    vit: int
    layer: int
    outside: int


def numbers_of(config: UnifiedIO2Config) -> Numbers:
    """Count a network's numbers, on the meta device."""
    with torch.device("meta"):
        network = Network(config)
    frozen = (network.image_encoder, network.audio_encoder, *(t for t in network.targets.values()))
    still = sum(p.numel() for module in frozen if module is not None for p in module.parameters())
    held = sum(p.numel() for p in network.parameters())
    inside = [
        sum(p.numel() for p in layer.parameters())
        for stack in (network.encoder, network.decoder)
        for layer in stack.layers
    ]
    vit = sum(p.numel() for p in network.image_encoder.parameters())
    return Numbers(held, held - still, vit, max(inside), held - sum(inside))


def estimate(
    config: UnifiedIO2Config, card: Card, cards: int, plan: Plan, moments_per_weight: float = 1.0
) -> Estimate:
    """Work out a plan on a number of cards.

    `moments_per_weight`: float32 numbers that the optimizer keeps, about 1 for Adafactor with momentum, 2 for
    AdamW.
    """
    numbers = numbers_of(config)
    share = (plan.encoder_row / plan.examples_per_row, plan.decoder_row / plan.examples_per_row)
    forward = RECOMPUTED * transformer_flops(config, [share]) + 2 * numbers.vit * plan.patches
    work = forward * plan.batch / cards
    sharded = 4 * numbers.held + 4 * numbers.learning * (1 + moments_per_weight)
    weights = sharded / cards
    together = 2 * 2 * numbers.layer + 2 * 4 * numbers.outside
    rows, row_bytes = plan.batch / plan.examples_per_row / cards, kept_bytes(config, plan)
    room = max(1, int((_FILLED * card.memory - weights - together) / row_bytes))
    portions = math.ceil(rows / room)
    # Each portion gathers the layers forward and backward; gradients are scattered once a step. A card
    # sends (cards - 1) / cards of what it gathers or scatters.
    inside = (config.encoder_layers + config.decoder_layers) * numbers.layer
    gathered = portions * 2 * 2 * inside + 2 * 4 * numbers.outside
    sent = (gathered + 4 * numbers.learning) * (cards - 1) / cards
    speed = card.inside if cards <= card.of_a_machine else card.outside
    return Estimate(
        cards=cards,
        portions=portions,
        weights=weights,
        gathered=together,
        activations=rows / portions * row_bytes,
        communicated=sent,
        arithmetic_s=work / (card.flops * plan.utilisation),
        communication_s=sent / speed,
    )


def kept_bytes(config: UnifiedIO2Config, plan: Plan) -> float:
    """Bytes a row keeps for the backward pass: the input of each layer, one layer's insides, the logits."""
    row = plan.encoder_row * config.encoder_layers + plan.decoder_row * config.decoder_layers
    inputs = 2 * config.width * row
    widest = max(plan.encoder_row, plan.decoder_row)
    insides = 2 * widest * (12 * config.width + 3 * config.mlp_dim)
    rows_of_tables = max(config.text_rows, config.image_rows, config.audio_rows)
    logits = 4 * 2 * plan.decoder_row * rows_of_tables
    return inputs + insides + logits
