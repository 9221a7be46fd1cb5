"""A picture that several requests show is encoded once; losses and gradients are as if each had its own."""

import dataclasses

import numpy as np
import torch

from tests.uio2_agent.tiny import full_model, picture
from uio2_agent.inputs.hidden import Hidden
from uio2_agent.request import Request, Target

SHOWN = ((1, 2), (2,), (), (1, 1, 3))
"""Pictures of the history of each request."""


def batch_of(model, hidden=None):
    requests = [
        Request(text="what is it", image=picture(20 + row), image_history=tuple(picture(n) for n in shown))
        for row, shown in enumerate(SHOWN)
    ]
    return model.processor(requests, [Target(text=f"a bowl and {n} blocks") for n in range(4)], hidden=hidden)


def test_same_pictures_are_told():
    history = batch_of(full_model()).image_history
    own, which = history.frames()
    assert len(own) == 3 and which.tolist() == [0, 1, 1, 0, 0, 2]
    pictures = history.distinct()
    present = history.mask.any(-1)
    for name in ("values", "mask", "positions"):
        assert torch.equal(getattr(pictures, name)[which], getattr(history, name)[present])


def test_losses_and_gradients_are_those_of_pictures_apart():
    model = full_model()
    batch = batch_of(model)
    apart = dataclasses.replace(batch, image_history=dataclasses.replace(batch.image_history, first=None))
    outcomes = []
    for given in (batch, apart):
        for rows in (None, [[3, 0], [1, 2]]):
            model.zero_grad()
            loss = model(given, rows=rows).loss
            loss.backward()
            outcomes.append(
                (loss, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
            )
    loss, gradients = outcomes[-1]
    for other, found in outcomes[:-1]:
        assert abs(other - loss) < 1e-5 * loss
        assert found.keys() == gradients.keys()
        for name, gradient in gradients.items():
            assert (found[name] - gradient).norm() <= 1e-5 * gradient.norm() + 1e-8, name


def test_the_vit_takes_each_picture_once():
    model = full_model()
    taken = []
    model.image_encoder.register_forward_hook(lambda module, inputs, outputs: taken.append(len(inputs[0])))
    model(batch_of(model))
    assert taken == [4, 3]


def test_a_picture_with_hidden_patches_is_another():
    model = full_model()
    half = np.zeros(model.config.history_grid, bool)
    half[:1] = True
    hidden = [Hidden(image_history=(half, None)), Hidden(), Hidden(), Hidden()]
    own, which = batch_of(model, hidden).image_history.frames()
    assert len(own) == 4 and which.tolist() == [0, 1, 1, 2, 2, 3]
