"""Soft labels on locations, hard labels on words, and the schedule."""

import numpy as np
import pytest
import torch

from pretrain.losses import TextLoss, bump_table
from uio2_agent.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(50)


def _logits(tokens: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, tokens, VOCABULARY.padded_size, generator=torch.Generator().manual_seed(seed))


def test_hard_labels_are_cross_entropy():
    """With sigma 0 the two means together are torch's own cross-entropy."""
    targets = torch.tensor([[5, VOCABULARY.location(17), VOCABULARY.location(999), 9, 1]])
    logits = _logits(5)
    locations, words = TextLoss(VOCABULARY, 0)(logits, targets, torch.ones_like(targets, dtype=torch.bool))
    expected = torch.nn.functional.cross_entropy(logits[0], targets[0], reduction="none")
    torch.testing.assert_close(locations, expected[[1, 2]].mean())
    torch.testing.assert_close(words, expected[[0, 3, 4]].mean())


def test_masked_tokens_do_not_count():
    targets = torch.tensor([[VOCABULARY.location(3), 7, VOCABULARY.location(900), 8]])
    mask = torch.tensor([[True, True, False, False]])
    loss = TextLoss(VOCABULARY, 8.0)
    whole = loss(_logits(4), targets, mask)
    part = loss(_logits(4)[:, :2], targets[:, :2], mask[:, :2])
    torch.testing.assert_close(whole, part)


def test_soft_label_prefers_near_bins():
    """A peak one bin off costs little, one far off much, and the bin's id order (backwards) is respected."""
    targets = torch.tensor([[VOCABULARY.location(400)]])
    mask = torch.ones_like(targets, dtype=torch.bool)
    loss = TextLoss(VOCABULARY, 8.0)

    def cost(bin: int) -> float:
        bins = torch.arange(1000)
        logits = torch.full((1, 1, VOCABULARY.padded_size), -50.0)
        logits[0, 0, torch.from_numpy(VOCABULARY.location_ids.copy())] = -0.5 * ((bins - bin) / 8.0) ** 2
        return float(loss(logits, targets, mask)[0])

    assert cost(400) < cost(405) < cost(420) < cost(600)
    assert cost(390) == pytest.approx(cost(410), rel=1e-3)


@pytest.mark.parametrize("sigma", [0, 0.5, 8, 40])
def test_bumps_are_distributions_around_their_bin(sigma):
    table = bump_table(sigma)
    np.testing.assert_allclose(table.sum(-1), 1.0, rtol=1e-5)
    assert (table.argmax(-1) == torch.arange(1000)).all()
