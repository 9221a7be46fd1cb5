"""The calculator against numbers from elsewhere: sizes the paper prints, the rule of six, what must be so."""

import dataclasses

import pytest

from pretrain.flops import transformer_flops
from pretrain.scaling import GIB, H100, Plan, estimate, numbers_of
from uio2_agent.config import UnifiedIO2Config

PRINTED = {"large": 1.1e9, "xl": 3.2e9, "xxl": 6.8e9}
"""Parameters, arXiv 2312.17172, table 1."""


@pytest.mark.parametrize("name", PRINTED)
def test_sizes_are_those_of_the_paper(name: str) -> None:
    numbers = numbers_of(UnifiedIO2Config.preset(name))
    assert numbers.held == pytest.approx(PRINTED[name], rel=0.02)
    assert numbers.held > numbers.learning > 40 * numbers.layer


def test_arithmetic_follows_the_rule_of_two_for_each_weight_and_token() -> None:
    """Short examples, so that attention counts for little: 2 N operations for a token of each stack."""
    config = UnifiedIO2Config.preset("xl")
    encoder = config.encoder_layers * (4 * config.width**2 + 3 * config.width * config.mlp_dim)
    one = transformer_flops(config, [(1, 0)])
    crossed = config.decoder_layers * 2 * config.width**2  # its keys and values for the decoder
    assert one == pytest.approx(2 * (encoder + crossed), rel=0.01)
    assert transformer_flops(config, [(10, 20)] * 3) == pytest.approx(
        3 * transformer_flops(config, [(10, 20)])
    )


def test_more_cards_hold_and_do_less_each() -> None:
    config = UnifiedIO2Config.preset("xxl")
    found = [estimate(config, H100, cards, Plan()) for cards in (8, 64, 512)]
    assert found[0].weights == pytest.approx(8 * found[1].weights) == pytest.approx(64 * found[2].weights)
    assert found[0].arithmetic_s == pytest.approx(64 * found[2].arithmetic_s)
    assert found[0].memory > found[1].memory > found[2].memory > found[2].gathered
    adam = estimate(config, H100, 8, Plan(), moments_per_weight=2.0)
    learning = numbers_of(config).learning
    assert adam.weights - found[0].weights == pytest.approx(4 * learning / 8)


def test_one_card_sends_nothing() -> None:
    alone = estimate(UnifiedIO2Config.preset("large"), H100, 1, Plan(batch=8))
    assert alone.communicated == 0 and alone.step_s == alone.arithmetic_s
    assert 8 * GIB < alone.weights < 32 * GIB


def test_a_card_with_little_memory_takes_more_portions_and_gathers_more() -> None:
    config = UnifiedIO2Config.preset("xl")
    small = dataclasses.replace(H100, memory=16 * GIB)
    large, little = (estimate(config, card, 8, Plan()) for card in (H100, small))
    assert large.portions == 1 < little.portions
    assert little.memory < 16 * GIB < large.memory
    assert little.communicated > large.communicated and little.arithmetic_s == large.arithmetic_s
