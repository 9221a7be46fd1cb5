"""Train a small text tokenizer on lines that are handed in:
`python -m uio2_agent.text.train_small_tokenizer WORDS FILE`.

A BPE model with byte fallback in the official control layout (begin and padding 0, end 1, unknown 2). WORDS
is a text file; each of its lines is a number, a tab and a text, which is repeated so often: that is how much
its words matter. Deterministic. Whatever the lines do not hold is still representable, by letters and bytes.
It knows no words of its own.
"""

import argparse
import io
from collections.abc import Iterable
from pathlib import Path

from uio2_agent.errors import UIO2Error
from uio2_agent.files import replace_file
from uio2_agent.presets import NANO_PIECES


def read_words(path: str | Path) -> list[str]:
    """Return the training lines of a WORDS file, each as often as the file says."""
    lines: list[str] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        count, tab, text = line.partition("\t")
        if not tab or not count.isdecimal():
            raise UIO2Error(f"{path}, line {number}: expected a number, a tab and a text, found {line!r}")
        lines += [text] * int(count)
    return lines


def train(lines: Iterable[str], path: str | Path, pieces: int = NANO_PIECES) -> None:
    """Train a tokenizer of so many pieces and write it to `path`."""
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=pieces,
        byte_fallback=True,
        character_coverage=1.0,
        split_by_unicode_script=False,
        split_by_number=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        bos_id=0,
        eos_id=1,
        unk_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    replace_file(path, model.getvalue())


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m uio2_agent.text.train_small_tokenizer",
        description="Train a small text tokenizer on the lines of a text file.",
    )
    parser.add_argument("words", type=Path, help="a text file of lines NUMBER<tab>TEXT")
    parser.add_argument("file", type=Path, help="the tokenizer.model to write")
    parser.add_argument("--pieces", type=int, default=NANO_PIECES, help="size of the vocabulary")
    options = parser.parse_args()
    train(read_words(options.words), options.file, options.pieces)


if __name__ == "__main__":
    main()
