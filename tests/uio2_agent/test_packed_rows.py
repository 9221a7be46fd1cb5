"""Packed rows: the same losses and gradients as each example by itself, whatever shares a row."""

import dataclasses

import pytest
import torch

from tests.uio2_agent.tiny import full_model, full_requests, picture, sound
from uio2_agent.errors import RequestError
from uio2_agent.network.masks import column_pattern, convolution_pattern, row_pattern
from uio2_agent.network.packed_masks import (
    BLOCK,
    Slots,
    attend_in_groups,
    block_mask,
    earlier_target,
    same_segment,
)
from uio2_agent.network.packing import Layout
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="FlexAttention has a backward pass on a GPU only")
def test_packed_is_unpacked_on_cuda(model):
    model.cuda()
    batch = batch_of(model).to("cuda")
    (alone, expected), (packed, gradients) = outcome(model, batch, None), outcome(model, batch, ROWS)
    for name in ("text", "image", "audio"):
        torch.testing.assert_close(counted(packed, name), counted(alone, name), atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-4, rtol=1e-3, msg=name)


def test_without_segments_the_test_would_fail(model, monkeypatch):
    batch = batch_of(model)
    expected = counted(model(batch), "text")
    whole = Layout.of

    def one_segment(*arguments):
        layout = whole(*arguments)
        return dataclasses.replace(layout, segment=layout.segment.clamp(max=0))

    monkeypatch.setattr(Layout, "of", one_segment)
    assert (counted(model(batch, rows=ROWS), "text") - expected).abs().max() > 1e-2


def test_packed_is_unpacked_in_half_precision(model):
    batch = batch_of(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        alone, packed = model(batch), model(batch, rows=ROWS)
    for name, logits in alone.logits.items():
        expected = logits[alone.masks[name]].float()
        assert (counted(packed, name).float() - expected).norm() < 2e-2 * expected.norm()


def test_a_row_may_hold_an_example_whose_target_is_of_another_modality():
    model = full_model()
    requests = full_requests()[:2]
    pair = model.processor(requests, [Target(image=picture(7)), Target(text="a bowl")])
    alone = [
        model.processor([request], [target])
        for request, target in zip(requests, [Target(image=picture(7)), Target(text="a bowl")], strict=True)
    ]
    packed = model(pair, rows=[[0, 1]])
    assert packed.loss.item() == pytest.approx(sum(model(one).loss.item() for one in alone), rel=1e-5)


def test_several_answers_of_a_request_stay_apart_in_a_row():
    model = full_model()
    batch = model.processor(
        full_requests()[:3],
        [Target(text=("a bowl", "a red block")), Target(text="it"), Target(image=picture(3))],
    )
    assert batch.text_target.answer is not None
    packed, alone = model(batch, rows=[[2, 0, 1]]), model(batch)
    torch.testing.assert_close(counted(packed, "text"), counted(alone, "text"), atol=1e-5, rtol=1e-5)


def test_rows_may_be_rounded_up_to_a_shape():
    model = full_model()
    batch = batch_of(model)
    encoded = model.encode(batch, ROWS, (100, 200))
    assert encoded.hidden.shape[1] % 100 == 0
    expected, found = model(batch).loss, model(batch, rows=ROWS, multiples=(100, 200)).loss
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_encoder_output_finds_its_way_back():
    model = full_model()
    batch = model.processor(full_requests())
    alone, packed = model.encode(batch).spread(), model.encode(batch, [[5, 0], [1, 2, 3, 4]]).spread()
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "rows", [[[0, 1]], [[0, 1, 2, 2]], [[0, 1], [2, 3]]], ids=["lost", "twice", "unknown"]
)
def test_every_example_goes_into_one_row(rows):
    model = full_model()
    batch = model.processor(full_requests()[:3], ["a"] * 3)
    with pytest.raises(RequestError, match="one row"):
        model(batch, rows=rows)


def drawn_slots(seed: int, rows: int = 3, length: int = 3 * BLOCK) -> Slots:
    """Rows of targets, lines and rasters of 8 columns, some of them longer than a block."""
    generator = torch.Generator().manual_seed(seed)
    segment = torch.full((rows, length), -1, dtype=torch.int32)
    answer, place, columns = (torch.zeros(rows, length, dtype=torch.int32) for _ in range(3))
    for row in range(rows):
        at = 0
        for number in range(9 - 4 * row):
            count = min(int(torch.randint(1, 180, (), generator=generator)), length - at)
            here = slice(at, at + count)
            segment[row, here], place[row, here] = number, torch.arange(count)
            answer[row, here] = columns[row, here] = 8 * (number % 2)
            at += count
    return Slots(segment, answer, place, columns, torch.rand(rows, length, generator=generator) < 0.7)


@pytest.mark.parametrize("pattern", [None, row_pattern, column_pattern, convolution_pattern])
def test_blocks_hold_all_that_the_rule_allows(pattern):
    slots, other = drawn_slots(0), drawn_slots(1)
    for rule, queries, keys, causal in (
        (same_segment, slots, slots, False),
        (same_segment, slots, other, False),
        (earlier_target(pattern), slots, slots, True),
    ):
        blocks = block_mask(rule, queries, keys, causal)
        allowed = rule(queries[:, :, None], keys[:, None])[:, None]
        needed = allowed.unflatten(3, (-1, BLOCK)).unflatten(2, (-1, BLOCK)).any(-1).any(3)
        listed = blocks.to_dense().bool()
        assert listed.shape == needed.shape and (listed | ~needed).all()
        assert listed.float().mean() < 0.9, "blocks without a pair are left out"
        every = torch.arange(slots.segment.shape[1])
        row, query, key = torch.arange(3)[:, None, None], every[:, None], every
        assert (blocks.mask_mod(row, 0, query, key) == allowed[:, 0]).all()


@pytest.mark.parametrize("rule", [same_segment, earlier_target(None), earlier_target(convolution_pattern)])
def test_attention_in_groups_is_attention_under_the_rule(rule):
    queries = drawn_slots(0)
    keys = drawn_slots(1) if rule is same_segment else queries
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(3, 2, 3 * BLOCK, 4, generator=generator, requires_grad=True) for _ in range(3)]
    allowed = rule(queries[:, :, None], keys[:, None])[:, None]
    looks = allowed[:, 0].any(-1)
    expected = torch.nn.functional.scaled_dot_product_attention(*tensors, attn_mask=allowed)
    found = attend_in_groups(rule, queries, keys, torch.float32)(*tensors, None)
    expected, found = (x.transpose(1, 2)[looks] for x in (expected, found))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn(expected.shape, generator=generator)
    gradients = [torch.autograd.grad((x * weights).sum(), tensors) for x in (found, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pattern", [row_pattern, column_pattern, convolution_pattern])
def test_a_raster_in_a_row_has_the_pattern_of_one_by_itself(pattern):
    count = torch.arange(48)
    slots = Slots(*(value[None] for value in (count * 0, count * 0, count, count * 0 + 8)))
    found = earlier_target(pattern)(slots[:, :, None], slots[:, None])[0]
    assert (found == pattern(6, 8, torch.device("cpu"))).all()
