"""Masks of targets against their definitions spelled out cell by cell, and what a token then depends on."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.uio2_agent.tiny import full_config, full_model, full_requests
from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.network import masks

CPU = torch.device("cpu")
GRIDS = [(1, 1), (3, 4), (8, 6), (7, 14), (16, 2), (13, 13)]


def cells(grid, sees):
    """Return bool [N, N] of a definition over (query row, column), (key row, column) and their places."""
    rows, columns = grid
    mask = np.zeros((rows * columns,) * 2, bool)
    for query in range(rows * columns):
        for key in range(query + 1):
            (a, b), (c, d) = divmod(query, columns), divmod(key, columns)
            mask[query, key] = sees(a, b, c, d, query, key)
    return mask


DEFINITIONS = {
    "row_pattern": lambda grid: lambda a, b, c, d, query, key: key <= query <= key + grid[1],
    "column_pattern": lambda grid: lambda a, b, c, d, query, key: b == d,
    "convolution_pattern": lambda grid: lambda a, b, c, d, query, key: abs(a - c) <= 5 and abs(b - d) <= 5,
}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_patterns(name, grid):
    found = getattr(masks, name)(*grid, CPU)
    assert np.array_equal(found.numpy(), cells(grid, DEFINITIONS[name](grid)))


def test_which_layer_has_which_pattern():
    names = [masks.layer_pattern(layer, 12).__name__.removesuffix("_pattern") for layer in range(12)]
    short = "".join(name[:2] for name in names)
    assert short == "ro" + "co" + "rororo" + "co" + "rororo" + "co" + "ro" + "co"
    assert names[11] == "convolution" and [i for i, n in enumerate(names) if n == "column"] == [1, 5, 9]
    assert masks.layer_pattern(1, 2) is masks.convolution_pattern, "the last layer, before all else"


def test_dynamic_mask():
    random = np.random.default_rng(0)
    hidden = random.random((3, 9)) < 0.4
    found = masks.dynamic_mask(torch.from_numpy(hidden)).numpy()
    for row in range(3):
        keep = [True, *(not masked for masked in hidden[row, :-1])]
        for query in range(9):
            for key in range(9):
                assert found[row, query, key] == (query == key or (keep[query] and keep[key]))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("length", [48, 17])
def test_masks_of_a_target_join_what_applies(sparse, dynamic, length):
    config = full_config(sparse_patterns=sparse, dynamic_masking=dynamic)
    random = np.random.default_rng(1)
    valid, hidden = (torch.from_numpy(random.random((2, length)) < 0.6) for _ in range(2))
    found = masks.target_masks(config, (8, 6), length, CPU, valid=valid, hidden=hidden)
    assert len(found) == config.decoder_layers
    names = ["row_pattern", "column_pattern", "row_pattern", "convolution_pattern"]
    for name, mask in zip(names, found, strict=True):
        base = cells((8, 6), DEFINITIONS[name]((8, 6)) if sparse else lambda *place: True)[:length, :length]
        for row in range(2):
            seen = valid[row].numpy()
            expected = base & (np.eye(length, dtype=bool) | seen[:, None] & seen)
            if dynamic:
                expected = expected & masks.dynamic_mask(hidden)[row].numpy()
            assert np.array_equal(mask.expand(2, -1, -1, -1)[row, 0].numpy(), expected)


def test_text_has_no_pattern():
    config = full_config(sparse_patterns=True)
    for mask in masks.target_masks(config, None, 5, CPU):
        assert torch.equal(mask, torch.ones(5, 5, dtype=torch.bool).tril())


@torch.inference_mode()
def test_a_hidden_token_is_read_at_its_own_place_only():
    model = full_model(dynamic_masking=True)
    encoded = model.encode(model.processor(full_requests()[:1]))
    random = np.random.default_rng(2)
    ids = torch.from_numpy(random.integers(2, 42, (1, 48)))
    hidden = torch.zeros_like(ids, dtype=torch.bool)
    hidden[0, 10] = True  # read at place 11
    target = TokenTarget(
        torch.nn.functional.pad(ids[:, :-1], (1, 0)), ids, ~hidden, torch.arange(48)[None], hidden=hidden
    )
    changed = target.inputs.clone()
    changed[0, 11] = changed[0, 11] % 40 + 2
    before = model.decode(target, encoded, "image")
    after = model.decode(dataclasses.replace(target, inputs=changed), encoded, "image")
    moved = (before - after).abs().amax(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [11]
    model.config = dataclasses.replace(model.config, dynamic_masking=False)
    before = model.decode(target, encoded, "image")
    after = model.decode(dataclasses.replace(target, inputs=changed), encoded, "image")
    moved = (before - after).abs().amax(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(11, 48))


@pytest.mark.parametrize("layers", [1, 2])
@torch.inference_mode()
def test_sparse_patterns_bound_what_a_token_depends_on(layers):
    """One decoder layer reads its pattern, two the places their patterns reach one after the other."""
    model = full_model(sparse_patterns=True, decoder_layers=layers)
    encoded = model.encode(model.processor(full_requests()[:1]))
    ids = torch.from_numpy(np.random.default_rng(3).integers(2, 42, (1, 48)))
    target = TokenTarget(ids, ids, torch.ones_like(ids, dtype=torch.bool), torch.arange(48)[None])
    before = model.decode(target, encoded, "image")
    names = {1: ["convolution_pattern"], 2: ["row_pattern", "convolution_pattern"]}[layers]
    reach = np.eye(48, dtype=bool)
    for name in names:
        reach = (cells((8, 6), DEFINITIONS[name]((8, 6))).astype(int) @ reach) > 0
    assert not reach[np.tril_indices(48)].all()
    for place in (0, 5, 7, 20):
        changed = ids.clone()
        changed[0, place] = changed[0, place] % 40 + 2
        after = model.decode(dataclasses.replace(target, inputs=changed), encoded, "image")
        moved = (before - after).abs().amax(-1)[0] > 1e-6
        assert np.array_equal(moved.numpy(), reach[:, place])
