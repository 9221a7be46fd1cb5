"""Ready-made grammars: random walks parse to what was walked, under both tokenizers."""

import numpy as np
import pytest

from uio2_agent import labels
from uio2_agent.errors import UIO2Error
from uio2_agent.grammar import Grammar
from uio2_agent.labels import grammars
from uio2_agent.media.geometry import Placement
from uio2_agent.text.tokenizer import TextTokenizer

SQUARE = Placement.fit((384, 384), (384, 384))
NAMES = ["dog", "Traffic light", "traffic cone"]


@pytest.fixture(params=["packaged", "official stand-in"])
def tokenizer(request, shared):
    if request.param == "packaged":
        return TextTokenizer.packaged()
    return TextTokenizer(shared / "fixtures/uio2/mock_llama_tokenizer.model")


def _walk(grammar: Grammar, rng: np.random.Generator, tokenizer: TextTokenizer, stop: float) -> list[int]:
    """Walk at random; where the answer may end or go on with a location, each kind is as likely."""
    vocabulary = tokenizer.vocabulary
    state, ids = grammar.start(), []
    while not state.done:
        choices = state.choices()
        spots = choices[(choices >= vocabulary.pieces) & (choices < vocabulary.pieces + 1000)]
        text = choices[(choices < vocabulary.pieces) & (choices != vocabulary.eos)]
        if vocabulary.eos in choices and ((not spots.size and not text.size) or rng.uniform() < stop):
            token = vocabulary.eos
        elif spots.size and (not text.size or rng.uniform() < 0.5):
            token = rng.choice(spots)
        else:
            token = rng.choice(text)
        ids.append(int(token))
        state = state.advance(int(token))
    return ids


def _locations(ids: list[int], tokenizer: TextTokenizer) -> np.ndarray:
    bins = [tokenizer.vocabulary.bin(token) for token in ids]
    return np.array([bin for bin in bins if bin is not None]) / 999


@pytest.mark.parametrize("kind", ["free", "given", "none"])
def test_every_answer_about_boxes_parses(tokenizer, kind):
    options = {"free": {}, "given": {"labels": NAMES}, "none": {"label_tokens": 0}}[kind]
    grammar = grammars.boxes(tokenizer, most=5, at_least=1, **options)
    rng, counts = np.random.default_rng(0), set()
    for _ in range(60):
        ids = _walk(grammar, rng, tokenizer, 0.1)
        expected = _locations(ids, tokenizer).reshape(-1, 4)
        counts.add(len(expected))
        text = tokenizer.decode(ids)
        if kind == "none":
            values = labels.read_values(text, 4)
        else:
            values, names = labels.read_labelled_values(text, 4)
            assert all(names) and len(names) == len(expected)
            assert kind == "free" or set(names) <= {name.lower() for name in NAMES}
        assert np.array_equal(values, expected)
    assert counts == {1, 2, 3, 4, 5}


def test_every_answer_about_points_parses(tokenizer):
    rng = np.random.default_rng(1)
    for options in ({}, {"label_tokens": 3}):
        grammar = grammars.points(tokenizer, most=4, **options)
        for _ in range(20):
            ids = _walk(grammar, rng, tokenizer, 0.2)
            found = labels.read_points(tokenizer.decode(ids), SQUARE)[:, ::-1] / 384
            assert np.allclose(found.reshape(-1), _locations(ids, tokenizer))
    assert grammars.points(tokenizer).start().advance(tokenizer.vocabulary.eos).done


def test_what_labels_write_is_allowed(tokenizer):
    """A target of training is an answer of the grammar."""
    boxes = np.array([[1.0, 2, 300, 400], [5, 6, 7, 8]]).clip(0, 384)
    joints = np.column_stack([np.full((17, 2), 100.0), np.arange(17) % 2 * 2])
    written = (
        (grammars.boxes(tokenizer), labels.write_boxes(boxes, SQUARE, NAMES[:2])),
        (grammars.boxes(tokenizer, labels=NAMES), labels.write_boxes(boxes, SQUARE, NAMES[:2])),
        (grammars.boxes(tokenizer, label_tokens=0), labels.write_boxes(boxes, SQUARE)),
        (grammars.points(tokenizer), labels.write_points(boxes[:, :2], SQUARE)),
        (grammars.keypoints(tokenizer, missing=True), labels.write_keypoints(joints, SQUARE)),
        (grammars.choices(tokenizer, NAMES), NAMES[1]),
    )
    for grammar, text in written:
        state = grammar.start()
        for token in [*tokenizer.encode(text), tokenizer.vocabulary.eos]:
            state = state.advance(token)
        assert state.done


def test_joints_leave_34_decisions(tokenizer):
    grammar = grammars.keypoints(tokenizer)
    rng = np.random.default_rng(2)
    state, ids, decisions = grammar.start(), [], 0
    while not state.done:
        run = state.forced()
        decisions += not run
        for token in run or (int(rng.choice(state.choices())),):
            ids.append(token)
            state = state.advance(token)
    read = labels.read_keypoints(tokenizer.decode(ids), SQUARE)
    assert decisions == 34 and read.complete and (read.points[:, 2] == 2).all()
    assert np.allclose(read.points[:, [1, 0]].reshape(-1) / 384, _locations(ids, tokenizer))

    grammar = grammars.keypoints(tokenizer, missing=True)
    for _ in range(10):
        text = tokenizer.decode(_walk(grammar, rng, tokenizer, 0))
        assert labels.read_keypoints(text, SQUARE).complete


def test_choices_are_exactly_the_options(tokenizer):
    options = ["move ahead", "move back", "stop", "stop now"]
    grammar = grammars.choices(tokenizer, options)
    rng = np.random.default_rng(3)
    found = {tokenizer.decode(_walk(grammar, rng, tokenizer, 0.5)) for _ in range(100)}
    assert found == set(options)
    assert {labels.read_choice(text, options) for text in found} == set(options)
    for wrong in ([], [""], [" stop"]):
        with pytest.raises(UIO2Error):
            grammars.choices(tokenizer, wrong)


def test_free_text_is_neither_location_nor_special(tokenizer):
    vocabulary = tokenizer.vocabulary
    state = Grammar(grammars.free_text(tokenizer, 3), vocabulary.eos).start()
    first = state.choices()
    assert first.min() > vocabulary.unk and first.max() < vocabulary.pieces
    assert set(tokenizer.encode("dog is in a red bowl")[:1]) <= set(first.tolist())
    inner = state.advance(int(first[0])).choices()
    assert set(first.tolist()) < set(inner.tolist()) - {vocabulary.eos}
    assert inner.max() < vocabulary.pieces and vocabulary.eos in inner
    written = {tokenizer.decode([int(token)]) for token in inner}
    assert not any("<" in text for text in written)  # no spelling of <extra_id_300>
    assert len(inner) > 700 and {">", "extra", "dog"} & written


def test_states_of_long_answers_share_their_ids(tokenizer):
    grammar = grammars.boxes(tokenizer, most=32)
    rng = np.random.default_rng(4)
    for _ in range(5):
        _walk(grammar, rng, tokenizer, 0.0)
    arrays = {id(state.choices()): state.choices() for state in grammar._states.values()}
    assert len(grammar._states) > 150 and len(arrays) <= 8
