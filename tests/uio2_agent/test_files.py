"""A file is replaced whole or left as it was, whatever happens while it is written."""

import errno
import os
from io import FileIO
from pathlib import Path

import pytest

from uio2_agent.files import new_file, replace_file

OLD, NEW = b"old content", bytes(range(256)) * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(OLD)
    return path


def assert_untouched(path: Path) -> None:
    """The old content stands alone in its directory."""
    assert path.read_bytes() == OLD
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [NEW, b"", "Größe\n"])
def test_a_file_is_replaced(path: Path, content: bytes | str) -> None:
    replace_file(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_the_old_content_stands_until_the_end(path: Path) -> None:
    with new_file(path) as file:
        assert file.write(NEW) == len(NEW)
        file.flush()
        assert path.read_bytes() == OLD
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_a_failure_midway_leaves_the_old_content(path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_file(path) as file:
        file.write(NEW)
        raise error
    assert_untouched(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_the_end_leaves_the_old_content_and_names_the_file(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        replace_file(path, NEW)
    assert_untouched(path)


def test_a_full_disk_leaves_the_old_content_and_names_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FileIO):
        def write(self, data: memoryview) -> int:
            if self.tell() >= 100_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(memoryview(data)[:100_000])

    monkeypatch.setattr("uio2_agent.files.FileIO", Full)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        replace_file(path, NEW)
    assert_untouched(path)


def test_short_writes_are_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux does, which writes 2 GiB at most at a time."""

    class Short(FileIO):
        def write(self, data: memoryview) -> int:
            return super().write(memoryview(data)[:1000])

    monkeypatch.setattr("uio2_agent.files.FileIO", Short)
    replace_file(path, NEW)
    assert path.read_bytes() == NEW


def test_a_short_write_that_calls_itself_whole_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lying(FileIO):
        def write(self, data: memoryview) -> int:
            super().write(memoryview(data)[:1000])
            return len(data)

    monkeypatch.setattr("uio2_agent.files.FileIO", Lying)
    with pytest.raises(OSError, match=f"1000 of {len(NEW)} bytes were written: '{path}'"):
        replace_file(path, NEW)
    assert_untouched(path)


def test_a_directory_that_is_absent_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "config.json"
    with pytest.raises(FileNotFoundError, match=f"'{path}'"):
        replace_file(path, NEW)
