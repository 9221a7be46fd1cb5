"""Logits processors against recorded official behaviour, and row by row."""

import numpy as np
import pytest
import torch

from uio2_agent.errors import UIO2Error
from uio2_agent.generation.guidance import guide
from uio2_agent.generation.logits_processors import AWAY, BoxesProcessor, KeypointsProcessor
from uio2_agent.labels import JOINTS, read_keypoints
from uio2_agent.media.geometry import Placement
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import Vocabulary

OFFICIAL = Vocabulary(32_000)


def test_recorded_guidance(shared):
    arrays = np.load(shared / "fixtures/training/classifier_free_guidance.npz")
    for case in range(int(arrays["n_cases"])):
        main, negative = torch.from_numpy(arrays[f"{case}/logits"]).chunk(2)
        guided = guide(main, negative, float(arrays[f"{case}/alpha"]))
        assert np.abs(arrays[f"{case}/out"] - guided.repeat(2, 1).numpy()).max() < 1e-4


def test_recorded_boxes(shared):
    arrays = np.load(shared / "fixtures/training/location_logit_rule.npz")
    outside = torch.ones(OFFICIAL.padded_size, dtype=torch.bool)
    outside[torch.from_numpy(OFFICIAL.location_ids)] = False
    for case in range(int(arrays["n_cases"])):
        logits = torch.from_numpy(arrays[f"{case}/logits"])
        process = BoxesProcessor(
            OFFICIAL, float(arrays[f"{case}/thresh"]), need_box=bool(arrays[f"{case}/require_one_box"])
        )
        so_far = [OFFICIAL.location(0)] * int(arrays[f"{case}/cur_index"])
        changed = process(logits, [so_far] * len(logits))
        blocked = (changed[:, outside] == AWAY).all(-1)
        assert blocked.tolist() == arrays[f"{case}/non_location_blocked"].tolist()
        assert changed.argmax(-1).tolist() == arrays[f"{case}/argmax"].tolist()
        assert torch.equal(changed[:, ~outside], logits[:, ~outside])
        assert torch.equal(changed[~blocked], logits[~blocked])


@pytest.mark.parametrize(
    ("located", "threshold", "forced"),
    [(0.0, 0.5, True), (-0.1, 0.5, False), (0.1, 0.5, True), (-0.7, 0.3, True), (-0.9, 0.3, False)],
)
def test_the_location_rule_by_hand(located, threshold, forced):
    """All 1000 locations alike, `located` above what makes them half of the probability together.

    The others are 0, but one word, which no single location reaches. So the locations hold
    exp(located) / (1 + exp(located)): 0.5, 0.475, 0.525, 0.332, 0.289; the rule is about more than that.
    """
    threshold -= 1e-6  # half exactly is not more than half
    others = OFFICIAL.padded_size - 1000
    word = 7
    scores = torch.zeros(1, OFFICIAL.padded_size)
    scores[0, word] = 6.0
    rest = others - 1 + np.exp(6.0)
    locations = torch.arange(32_000, 33_000)
    scores[0, locations] = float(located + np.log(rest / 1000))
    assert scores.argmax() == word
    place = 32_640
    scores[0, place] += 1e-3
    for tokens in ([], [5, 6]):
        changed = BoxesProcessor(OFFICIAL, threshold)(scores, [tokens])
        assert int((changed == -10_000).sum()) == (others if forced else 0)
        assert torch.equal(changed[0, locations], scores[0, locations])
        assert int(changed.argmax()) == (place if forced else word)
        assert forced or torch.equal(changed, scores)
    first = BoxesProcessor(OFFICIAL, threshold, need_token=True)(scores, [[]])
    assert first[0, 1] == -10_000 and int((first == -10_000).sum()) == (others if forced else 1)
    later = BoxesProcessor(OFFICIAL, threshold, need_token=True)(scores, [[word]])
    assert int((later == -10_000).sum()) == (others if forced else 0)


def test_rows_of_a_batch_are_judged_by_themselves():
    vocabulary = Vocabulary(500)
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, vocabulary.padded_size, generator=generator)
    scores[::2, vocabulary.pieces : vocabulary.pieces + 1000] += 1
    before = scores.clone()
    tokens = [[], [5], [], [5, 6, 7], [5, 6, 7, 8], [5] * 9]
    for process in (
        BoxesProcessor(vocabulary, 0.6),
        BoxesProcessor(vocabulary, 0.6, need_token=True),
        BoxesProcessor(vocabulary, 0.99, need_box=True),
    ):
        together = process(scores, tokens)
        alone = [process(scores[row : row + 1], tokens[row : row + 1]) for row in range(6)]
        assert torch.equal(together, torch.cat(alone))
        assert not torch.equal(together, scores)
    assert torch.equal(scores, before)
    ended = BoxesProcessor(vocabulary, 1.0, need_token=True)(scores, tokens)
    assert (ended[:, vocabulary.eos] == AWAY).tolist() == [not row for row in tokens]
    with pytest.raises(UIO2Error, match="probability"):
        BoxesProcessor(vocabulary, 1.5)


def test_the_keypoints_processor_forces_names_and_leaves_locations_free():
    tokenizer = TextTokenizer.packaged()
    process = KeypointsProcessor(tokenizer)
    vocabulary = tokenizer.vocabulary
    generator = torch.Generator().manual_seed(1)
    answers: list[list[int]] = [[], []]
    scores = torch.randn(2, vocabulary.padded_size, generator=generator) * 10
    answers[1] = process(scores[:1], [[]]).argmax(-1).tolist()  # one row is a token ahead
    wanted = [vocabulary.pieces + scores[0, vocabulary.location_ids.min() :][:1000].argmax().item()]
    assert answers[1] == wanted
    for _ in range(len(process.template)):
        scores = torch.randn(2, vocabulary.padded_size, generator=generator) * 10
        for answer, token in zip(answers, process(scores, answers).argmax(-1).tolist(), strict=True):
            answer.append(token)
    assert answers[0][-1] == answers[1][-1] == answers[1][-2] == vocabulary.eos  # past the end: the end
    texts = [tokenizer.decode(answer) for answer in answers]
    for text in texts:
        read = read_keypoints(text, Placement.fit((384, 384), (384, 384)))
        assert read.complete and (read.points[:, 2] == 2).all()
        assert [word for word in text.split() if word[0] != "<"] == " ".join(JOINTS).split()
    assert texts[0] != texts[1]
