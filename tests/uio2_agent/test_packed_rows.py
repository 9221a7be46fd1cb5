"""Packed rows: the same losses and gradients as each example by itself, whatever shares a row."""

import dataclasses

import pytest
import torch

from tests.uio2_agent.tiny import full_model, full_requests, picture, sound
from uio2_agent.errors import RequestError
from uio2_agent.network import packed_masks
from uio2_agent.request import Target

ROWS = [[4, 0, 7], [2], [6, 1, 5, 3]]
"""Out of order, and of unlike number."""


def batch_of(model):
    """Eight requests of every kind, their targets of every kind, some pictures hidden from the encoder."""
    requests = [*full_requests(), *full_requests()[:2]]
    targets = [
        Target(text="first the red block, then the bowl"),
        Target(image=picture(7)),
        Target(audio=sound(8, (24, 16))),
        Target(text="a bowl"),
        Target(image=picture(9, 60, 30)),
        Target(text="what is it"),
        Target(image=picture(10)),
        Target(audio=sound(11, (24, 16))),
    ]
    batch = model.processor(requests, targets)
    hidden = torch.rand(batch.image_target.mask.shape, generator=torch.Generator().manual_seed(0)) < 0.6
    hidden[:2] = False
    return dataclasses.replace(batch, image_target=dataclasses.replace(batch.image_target, task_mask=hidden))


def outcome(model, batch, rows):
    model.zero_grad()
    output = model(batch, z_loss=1e-4, rows=rows)
    output.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return output, gradients


def counted(output, name):
    """Logits of the tokens that count, in the order of the examples."""
    return output.logits[name][output.masks[name]]


@pytest.fixture(params=[(False, False), (True, True)], ids=["released", "paper"])
def model(request):
    sparse, dynamic = request.param
    return full_model(sparse_patterns=sparse, dynamic_masking=dynamic)


@pytest.mark.parametrize(
    "rows", [ROWS, [[n] for n in range(8)], [list(range(8))]], ids=["mixed", "single", "one"]
)
def test_packed_is_unpacked(model, rows):
    batch = batch_of(model)
    (alone, expected), (packed, gradients) = outcome(model, batch, None), outcome(model, batch, rows)
    for name in ("text", "image", "audio"):
        assert packed.losses[name].item() == pytest.approx(alone.losses[name].item(), rel=1e-5)
        torch.testing.assert_close(counted(packed, name), counted(alone, name), atol=1e-5, rtol=1e-5)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-5, msg=name)
