"""Event files are what TensorBoard reads: their bytes are those of its own package, and its checksum's."""

from pathlib import Path

import pytest

from pretrain import event_file
from pretrain.event_file import EventFile, crc32c

RECORDED = bytes.fromhex(
    "36000000000000004f578cef09000000000000f83f10ac022a280a140a0d747261696e696e672f74657874150000803e"
    "0a100a0973706565642f6d667515000000409792e5a3"
)
"""Of step 300 at second 1.5, as the tensorboard package writes it: training/text 0.25, speed/mfu 2."""


def test_the_checksum_is_castagnolis() -> None:
    """The check value of RFC 3720, and one of its test vectors: 32 bytes of zeros."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_a_record_is_that_of_the_tensorboard_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = EventFile(tmp_path)
    before = file.path.stat().st_size
    monkeypatch.setattr(event_file.time, "time", lambda: 1.5)
    file.add(300, {"training/text": 0.25, "speed/mfu": 2.0})
    assert file.path.read_bytes()[before:] == RECORDED
    assert file.path.name.startswith("events.out.tfevents.")


def test_two_writers_have_files_of_their_own(tmp_path: Path) -> None:
    assert EventFile(tmp_path).path != EventFile(tmp_path, step=7).path
