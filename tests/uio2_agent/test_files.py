"""A file is replaced whole or left as it was, whatever happens while it is written."""

import errno
import io
import os
from io import FileIO
from pathlib import Path

import pytest

from uio2_agent.files import append_line, new_file, new_path, replace_file, replace_files

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


def test_several_files_are_moved_only_when_all_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails midway leaves every old file, and no partial one."""
    files = {tmp_path / "a": b"new a", tmp_path / "deep" / "b": b"new b"}
    (tmp_path / "a").write_bytes(b"old")
    real, calls = os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "fsync", failing)
        replace_files(files)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]
    replace_files(files)
    assert {path: path.read_bytes() for path in files} == files


def test_a_line_is_added_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    append_line(path, "one")
    append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"
    real = io.FileIO.write

    class Short(io.FileIO):
        def write(self, data):
            return real(self, data[:2])

    with monkeypatch.context() as patch, pytest.raises(OSError, match="2 of 6 bytes") as caught:
        patch.setattr("builtins.open", lambda name, mode, buffering: Short(name, mode))
        append_line(path, "three")
    assert caught.value.filename == str(path)
    assert path.read_text() == "one\ntwo\n"


def test_what_others_write_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="broken"), new_path(path) as partial:
        assert partial.suffix == ".mp4"
        partial.write_bytes(b"half")
        raise RuntimeError("broken")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with new_path(path) as partial:
        partial.write_bytes(b"whole")
    assert path.read_bytes() == b"whole" and list(tmp_path.iterdir()) == [path]
