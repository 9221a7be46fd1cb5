"""Which tokenizers an official model takes, and what is said about the others."""

import base64
import json
import re
import warnings

import pytest
import torch
from sentencepiece import SentencePieceTrainer

from tests.uio2_agent.tiny import tiny_config, tiny_model
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.official_names import name_to_official
from uio2_agent.request import Request
from uio2_agent.text.tokenizer import SMALL_MODEL, TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

OFFICIAL_ROWS = 33_280


@pytest.fixture(scope="module")
def stand_in(shared):
    return shared / "fixtures/uio2/mock_llama_tokenizer.model"


def train(path, pieces, **options):
    """Train a sentencepiece model of some pieces on made-up words."""
    words = [f"w{i:x}q{i * 7919 % 100_003:x}" for i in range(4000)]
    with path.open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(words),
            model_writer=file,
            vocab_size=pieces,
            model_type="bpe",
            minloglevel=2,
            **options,
        )
    return path


@pytest.fixture(scope="module")
def official(shared, tmp_path_factory):
    """An official directory with the official text table, otherwise as small as the recorded model."""
    directory = tmp_path_factory.mktemp("official")
    values = json.loads((shared / "fixtures/uio2/weights/a.config.json").read_text())
    values["t5_config"]["vocab_size"] = OFFICIAL_ROWS
    (directory / "config.json").write_text(json.dumps(values))
    model = UnifiedIO2(UnifiedIO2Config.from_official(values))
    weights = {name_to_official(name): value for name, value in model.state_dict().items()}
    torch.save(weights, directory / "pytorch_model.bin")
    return directory


def test_an_official_directory_has_no_tokenizer_and_a_warning_says_which_to_get(official):
    with pytest.warns(UserWarning, match=r"holds no tokenizer\.model.*LLaMA 1 or 2.*32,000 pieces"):
        model = UnifiedIO2.from_pretrained(official)
    with pytest.raises(UIO2Error, match="no text tokenizer: pass tokenizer=PATH"):
        model.generate(Request("What is this?"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        UnifiedIO2.from_pretrained(official, processor=False)
    assert UnifiedIO2.from_pretrained(official, processor=False).processor is None


def test_a_file_of_the_layout_is_taken_with_a_word_about_its_words(official, stand_in):
    with pytest.warns(UserWarning, match=r"other words \(piece 278 is 'ing', not '.the'\)"):
        model = UnifiedIO2.from_pretrained(official, tokenizer=stand_in)
    assert model.processor.tokenizer.vocabulary.size == 33_225
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextTokenizer(stand_in)  # alone, without official weights, it is nobody's business


def test_other_tokenizers_are_named_for_what_they_are(official, tmp_path):
    tiktoken = b"".join(base64.b64encode(bytes([i])) + f" {i}\n".encode() for i in range(256))
    (tmp_path / "llama3.model").write_bytes(tiktoken)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "BPE"}}')
    (tmp_path / "page.model").write_text("<!DOCTYPE html><html></html>")
    (tmp_path / "folder").mkdir()
    cases = {
        "llama3.model": "is a tiktoken vocabulary, such as Llama 3 has.*32,000 pieces",
        "tokenizer.json": "is JSON, such as a tokenizer.json.*32,000 pieces",
        "page.model": "is a web page.*32,000 pieces",
        "folder": "is a folder: give the path of a sentencepiece tokenizer.model",
    }
    for name, said in cases.items():
        with pytest.raises(UIO2Error, match=said) as error:
            UnifiedIO2.from_pretrained(official, tokenizer=tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UIO2Error, match=r"as the path of its tokenizer\.model, not as a dict"):
        UnifiedIO2.from_pretrained(official, tokenizer={"a": 1})


def test_sentencepiece_files_of_another_layout_are_named(official, tmp_path):
    like_t5 = train(tmp_path / "t5.model", 300, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    with pytest.raises(UIO2Error, match=r"has them at \(-1, 1, 2\).*LLaMA 1 or 2"):
        UnifiedIO2.from_pretrained(official, tokenizer=like_t5)
    with pytest.raises(UIO2Error, match="is this package's small tokenizer of 768 pieces; the official"):
        UnifiedIO2.from_pretrained(official, tokenizer=SMALL_MODEL)
    small = train(tmp_path / "small.model", 300, byte_fallback=True)
    with pytest.raises(UIO2Error, match="is a tokenizer of 300 pieces; the official layout"):
        UnifiedIO2.from_pretrained(official, tokenizer=small)


def test_pieces_for_bytes_are_needed(official, stand_in, tmp_path):
    """The stand-in with its byte pieces (type 6) made words (type 1), and byte fallback (field 35) off."""
    words = re.sub(rb"(<0x..>\x15....\x18)\x06", lambda m: m[1] + b"\x01", stand_in.read_bytes(), flags=re.S)
    assert words.count(b"\x98\x02\x01") == 1
    (tmp_path / "words.model").write_bytes(words.replace(b"\x98\x02\x01", b"\x98\x02\x00"))
    assert TextTokenizer(tmp_path / "words.model").vocabulary.pieces == 32_000
    with pytest.raises(UIO2Error, match="of 32,000 pieces, without a piece for each byte; the official"):
        UnifiedIO2.from_pretrained(official, tokenizer=tmp_path / "words.model")


def test_a_model_of_ours_takes_its_own_and_names_another(tmp_path, stand_in):
    directory = tiny_model().save_pretrained(tmp_path / "model")
    assert UnifiedIO2.from_pretrained(directory, tokenizer=SMALL_MODEL).processor is not None
    with pytest.raises(UIO2Error, match="need a text table of 33,280 rows; the model has 2,048"):
        UnifiedIO2.from_pretrained(directory, tokenizer=stand_in)
    assert tiny_config().text_rows == 2048
