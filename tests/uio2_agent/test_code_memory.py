"""Codes that are remembered are those of the tokenizer, whatever else is in the batch."""

import torch
from torch import Tensor

from tests.uio2_agent.tiny import full_model, picture
from uio2_agent.request import Request, Target
from uio2_agent.targets.memory import CodeMemory


def test_a_target_has_the_codes_of_the_tokenizer_and_is_tokenised_once():
    model = full_model()
    embedder = model.targets["image"]
    requests = [Request(text="paint") for _ in range(4)]
    batch = model.processor(requests, [Target(image=picture(seed)) for seed in (1, 2, 1, 3)])
    wanted = batch.image_target
    plain = embedder.tokens(wanted)
    embedder.memory = CodeMemory()
    asked: list[int] = []
    encode = embedder.tokenizer.encode
    embedder.tokenizer.encode = lambda images: (asked.append(len(images)), encode(images))[1]
    for _ in range(2):
        told = embedder.tokens(wanted)
        assert torch.equal(told.targets, plain.targets) and torch.equal(told.inputs, plain.inputs)
        assert asked == [1, 1, 1]  # of four pictures two are the same, and the second time none is new


def test_a_full_memory_keeps_what_it_has():
    memory, asked = CodeMemory(most_bytes=2 * 3 * 4), []

    def encode(values: Tensor) -> Tensor:
        asked.append(values[0, 0].item())
        return values.long() * 10

    values = torch.arange(12, dtype=torch.float32).reshape(4, 3)
    for rows in (values, values.flip(0)):
        assert torch.equal(memory.codes(rows, encode), rows.long() * 10)
    assert asked == [0, 3, 6, 9, 9, 6]  # the first two fitted
