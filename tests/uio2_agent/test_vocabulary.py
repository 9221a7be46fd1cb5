"""The layout of ids and the text tokenizers, against recorded output of the official classes."""

import json
from pathlib import Path

import numpy as np
import pytest

from uio2_agent.errors import UIO2Error
from uio2_agent.text.tokenizer import SMALL_MODEL, TextTokenizer
from uio2_agent.text.train_small_tokenizer import read_words, train
from uio2_agent.text.vocabulary import Vocabulary, bin_to_value, location_text, value_to_bin

WORDS = Path(__file__).parents[2] / "docs" / "nano" / "words.txt"


@pytest.fixture(scope="module")
def official(shared):
    return TextTokenizer(shared / "fixtures/uio2/mock_llama_tokenizer.model")


def test_official_layout(shared):
    cases = json.loads((shared / "fixtures/training/vocab_layout.json").read_text())["cases"]
    summary = cases[0]
    vocabulary = Vocabulary(summary["base_vocab"])
    assert vocabulary.size == summary["total"]
    assert (vocabulary.pad, vocabulary.eos, vocabulary.unk) == (
        summary["pad"],
        summary["eos"],
        summary["unk"],
    )
    ids = {piece: vocabulary.pieces + i for i, piece in enumerate(vocabulary.special_pieces())}
    pieces = [case for case in cases if "piece" in case]
    assert len(pieces) > 20
    for case in pieces:
        assert ids[case["piece"]] == case["id"]


def test_named_ids_are_the_pieces_of_that_name():
    vocabulary = Vocabulary(100)
    ids = {piece: 100 + i for i, piece in enumerate(vocabulary.special_pieces())}
    assert len(ids) == vocabulary.size - 100
    assert vocabulary.extra_id(7) == ids["<extra_id_7>"]
    assert vocabulary.location(0) == ids["<extra_id_200>"] == ids[location_text(0)]
    assert vocabulary.image_history(3) == ids["<image_history_3>"]
    assert vocabulary.audio_history(8) == ids["<audio_history_8>"]
    assert vocabulary.image_input == ids["<image_input>"]
    assert vocabulary.audio_input == ids["<audio_input>"]
    assert vocabulary.prefix("image", "R") == ids["[Image] [R]"]
    assert [vocabulary.bin(i) for i in vocabulary.location_ids] == list(range(1000))
    assert vocabulary.bin(vocabulary.location(0) + 1) is None
    assert vocabulary.bin(vocabulary.location(999) - 1) is None
    with pytest.raises(UIO2Error, match="bin 1000"):
        vocabulary.location(1000)


def test_locations_equal_the_official_ones(shared):
    vocabulary = Vocabulary(32_000)
    for case in json.loads((shared / "fixtures/training/location_tokens.json").read_text())["cases"]:
        bins = value_to_bin(np.array(case["values"], np.float32))
        ids = np.vectorize(vocabulary.location)(bins)
        assert ids.tolist() == case["ids"]
        assert np.vectorize(location_text)(bins).tolist() == case["tokens"]
        assert np.allclose(bin_to_value(bins), case["ids_to_values"], atol=1e-12)


def test_value_round_trip_is_within_one_bin():
    values = np.linspace(0, 1, 5001)
    assert np.abs(bin_to_value(value_to_bin(values)) - values).max() <= 1 / 999
    assert value_to_bin(np.array([-0.1, 1.1])).tolist() == [0, 999]


def test_official_tokenizer_cases(shared, official):
    cases = json.loads((shared / "fixtures/uio2/cases/prep__tokenizer.json").read_text())
    assert official.vocabulary.size == cases["vocab_size"]
    for case in cases["encode"]:
        assert official.encode(case["text"]) == case["ids"], case["text"]
        assert official.decode(case["ids"]) == case["decoded_again"], case["text"]
    for case in cases["decode"]:
        assert official.decode(case["ids"]) == case["text"], case["ids"]


def test_packaged_tokenizer_knows_the_words_of_actions():
    tokenizer = TextTokenizer.packaged()
    for word in (
        "0:",
        "7:",
        "pick",
        "push",
        "place",
        "from",
        "to",
        "and",
        "(",
        ")",
        "<extra_id_777>",
        "[Text] [S]",
    ):
        assert len(tokenizer.encode(word)) == 1, word
    for text in ("Rotate the <image_history_1> 120 degrees.", "Größe 漢字\n\ttab  two", "a <extra_id_3> b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (
        max(tokenizer.encode(" ".join(tokenizer.vocabulary.special_pieces())))
        == tokenizer.vocabulary.size - 1
    )


def test_the_packaged_tokenizer_is_trained_on_the_words_of_nano(tmp_path):
    train(read_words(WORDS), tmp_path / "again.model")
    assert (tmp_path / "again.model").read_bytes() == SMALL_MODEL.read_bytes()


def test_words_are_handed_in(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("3\tdance\n2\t up  and down\n")
    assert read_words(words) == ["dance"] * 3 + [" up  and down"] * 2
    words.write_text("3\tdance\ndance\n")
    with pytest.raises(UIO2Error, match=r"words\.txt, line 2: expected a number, a tab and a text"):
        read_words(words)
    train(["tango " * 9] * 9, tmp_path / "dance.model", 275)
    assert len(TextTokenizer(tmp_path / "dance.model").encode("tango")) < 3


def test_hash_tells_tokenizers_apart(shared, official):
    assert official.vocabulary.hash() != TextTokenizer.packaged().vocabulary.hash()
    assert TextTokenizer.packaged().vocabulary.hash() == TextTokenizer.packaged().vocabulary.hash()


def test_a_wrong_file_is_named(tmp_path):
    with pytest.raises(UIO2Error, match="no text tokenizer at"):
        TextTokenizer(tmp_path / "absent.model")
    (tmp_path / "bad.model").write_bytes(b"not a model")
    with pytest.raises(UIO2Error, match=r"bad\.model is not a sentencepiece model"):
        TextTokenizer(tmp_path / "bad.model")
