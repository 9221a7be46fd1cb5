"""Text on both sides: ends, truncation, padding, positions, decoder inputs."""

import dataclasses
import warnings

import numpy as np

from tests.training_parity.compare import Check, Errors, Values, different
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.answers import shift_right
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target
from uio2_agent.text.vocabulary import Vocabulary


class _Written:
    """A tokenizer whose texts are ids with spaces between; words are nothing, such as the processor's tag."""

    vocabulary = Vocabulary(32_000)

    def check_hash(self, expected: str | None) -> None:
        """Fit every model."""

    def encode(self, text: str) -> list[int]:
        return [int(word) for word in text.split() if word.isdecimal()]

    def decode(self, ids: list[int]) -> str:
        return " ".join(map(str, ids))


def check_text_features(case: Values) -> Errors:
    """Compare a whole request and its answer, padded as far as the lengths go."""
    config = dataclasses.replace(
        UnifiedIO2Config.preset("large"),
        text_input_length=case["lens"]["text_inputs"],
        text_target_length=case["lens"]["text_targets"],
    )
    tokenizer = _Written()
    text, answer = f"text {tokenizer.decode(case['text_inputs'])}", case["text_targets"]
    if answer and isinstance(answer[0], list):
        target = Target(text=tuple(map(tokenizer.decode, answer)))
    else:
        target = Target(text=tokenizer.decode(answer))
    with warnings.catch_warnings(action="ignore"):  # of what is cut
        batch = Processor(config, tokenizer)([Request(text)], [target], fixed_shape=True)
    inputs, target = batch.text, batch.text_target
    found = {
        "inputs": {"tokens": inputs.tokens, "pos_ids": inputs.positions, "mask": inputs.mask},
        "targets": {
            "targets": target.targets,
            "inputs": target.inputs * target.mask,
            "pos_ids": target.positions * target.mask,
            "segment_ids": target.mask if target.answer is None else target.answer,
            "mask": target.mask,
        },
    }
    return {
        f"{side}/{name}": different(case[side][name], tensor[0].long().numpy())
        for side, tensors in found.items()
        for name, tensor in tensors.items()
    }


def check_decoder_inputs(case: Values) -> Errors:
    targets, answers = np.array(case["targets"]), np.array(case["segment_ids"])
    return {
        "with_segments": different(case["with_segments"], shift_right(targets, answers, case["bos"])),
        "without": different(case["without"], shift_right(targets, np.zeros_like(answers), case["bos"])),
    }


CHECKS = {
    "text_features": Check(check_text_features),
    "autoregressive_inputs": Check(check_decoder_inputs),
}
