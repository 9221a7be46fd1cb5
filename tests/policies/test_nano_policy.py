"""The policy with a real, untrained nano model: answers parse and are the same in any batch; six calls."""

import numpy as np
import pytest
import torch

from policies import Step, UnifiedIO2Policy, load_policy
from policies.embodiments.vima import VIMA
from policies.style import save_styles
from uio2_agent import Processor, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.errors import UIO2Error
from uio2_agent.generation.generate import Stepper

STYLE = VIMA.style(small=True)


@pytest.fixture(scope="module")
def model() -> UnifiedIO2:
    torch.manual_seed(0)
    config = UnifiedIO2Config.preset("nano")
    model = UnifiedIO2(config).eval()
    with (
        torch.no_grad()
    ):  # as initialised, a decoder mostly repeats its last token; strong cross-attention looks
        for name, weight in model.decoder.named_parameters():
            weight.mul_(8 if "cross" in name and weight.ndim > 1 else 1)
    model.processor = Processor(config, TextTokenizer.packaged())
    return model


def _episodes(count: int) -> list[Step]:
    def views(rng, background):
        images = {}
        for view in ("front", "top"):
            images[view] = np.full((3, 128, 256), background, np.uint8)
            for _ in range(3):
                row, col = rng.integers(10, 90), rng.integers(20, 210)
                images[view][:, row : row + 25, col : col + 25] = rng.integers(0, 255, (3, 25, 25))
        return images

    steps = []
    for slot in range(count):
        rng = np.random.default_rng(slot)
        assets = {
            "dragged_obj": {"rgb": views(rng, 255), "placeholder_type": "object"},
            "scene": {"rgb": views(rng, 47), "placeholder_type": "scene"},
        }
        prompt = ("Put the {dragged_obj} as in {scene}.", "Sweep {dragged_obj}.")[slot % 2]
        info = {"prompt": prompt, "prompt_assets": assets, "embodiment": "vima"}
        info |= {"end_effector": slot % 2, "seed": slot}
        steps.append(Step(slot, {"rgb": views(rng, 47)}, info))
    return steps


def _play(policy: UnifiedIO2Policy, episodes: list[Step], rounds: int = 2) -> list[list[str]]:
    for step in episodes:
        policy.reset(step.slot, step.observation, step.info)
    answers = []
    for _ in range(rounds):
        policy.act(episodes)
        answers.append([policy.answer(step.slot).text for step in episodes])
    return answers


@pytest.mark.parametrize("arguments", [{}, {"temperature": 1.0}, {"plan": "once", "plan_steps": 3}])
def test_answers_parse_and_do_not_depend_on_the_batch(model, arguments):
    episodes = _episodes(5)
    alone = _play(UnifiedIO2Policy(model, STYLE, batch_size=1, **arguments), episodes)
    together = _play(UnifiedIO2Policy(model, STYLE, batch_size=8, **arguments), episodes)
    assert alone == together
    assert len({text for texts in alone for text in texts}) > len(episodes) // 2
    for number, texts in enumerate(alone):
        for step, text in zip(episodes, texts, strict=True):
            parsed = VIMA.parse(text)
            assert " ".join(p.text for p in parsed) == text
            assert {p.kind for p in parsed} == {step.info["end_effector"]}
            assert parsed[0].number == (0 if "plan" in arguments else number)


def test_a_decision_costs_six_decoder_calls(model, monkeypatch):
    calls, step = [], Stepper.__call__
    monkeypatch.setattr(Stepper, "__call__", lambda self, *args: calls.append(1) or step(self, *args))
    _play(UnifiedIO2Policy(model, STYLE), _episodes(2), rounds=1)
    assert len(calls) == 6


def test_a_directory_is_a_policy(model, tmp_path):
    directory = tmp_path / "run"
    model.save_pretrained(directory)
    save_styles(directory, {"vima": STYLE})
    policy = load_policy(str(directory), plan="once", batch_size=4)
    assert policy.style == {"vima": STYLE} and policy.plan == "once" and policy.name == "run"
    assert policy.vocabulary_hash == TextTokenizer.packaged().vocabulary.hash()
    with pytest.raises(
        UIO2Error, match=r"unknown arguments plam .did you mean 'plan'.*takes: device, tokenizer, style"
    ):
        load_policy(str(directory), plam="once")
    expected = _play(UnifiedIO2Policy(model, STYLE, plan="once"), _episodes(2), rounds=1)
    assert _play(policy, _episodes(2), rounds=1) == expected
