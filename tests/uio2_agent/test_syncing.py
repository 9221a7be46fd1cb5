"""Many files are brought to the disk by one call where that is safe, and a failure of it is none's loss."""

import ctypes
import errno
import os
from pathlib import Path

import pytest

from uio2_agent import syncing
from uio2_agent.files import replace_files


@pytest.fixture
def files(tmp_path: Path) -> dict[Path, bytes]:
    return {tmp_path / str(number) / "file": bytes([number]) * 1000 for number in range(5)}


@pytest.fixture
def fsyncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The descriptors that `os.fsync` was called with."""
    real, calls = os.fsync, []

    def counted(descriptor: int) -> None:
        calls.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    return calls


def test_one_call_for_all_files_and_one_for_all_folders(files, fsyncs, monkeypatch):
    calls = []
    monkeypatch.setattr(syncing, "_is_journaled", lambda device: True)
    monkeypatch.setattr(syncing, "_syncfs", lambda: lambda handle: calls.append(handle) or 0)
    replace_files(files)
    assert len(calls) == 2 and not fsyncs
    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize("journaled", [True, False])
def test_elsewhere_each_file_and_each_folder_has_its_own(files, fsyncs, monkeypatch, journaled):
    """Where the call does not exist, and where the file system is not known to keep what it says."""
    monkeypatch.setattr(syncing, "_is_journaled", lambda device: journaled)
    monkeypatch.setattr(syncing, "_syncfs", lambda: None if journaled else pytest.fail)
    replace_files(files)
    assert len(fsyncs) == 2 * len(files)


def test_what_the_disk_does_not_take_leaves_nothing(files, tmp_path, monkeypatch):
    def full(handle: int) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    monkeypatch.setattr(syncing, "_is_journaled", lambda device: True)
    monkeypatch.setattr(syncing, "_syncfs", lambda: full)
    with pytest.raises(OSError, match="No space left") as caught:
        replace_files(files)
    assert caught.value.errno == errno.ENOSPC
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="tells of Linux' file systems")
def test_memory_and_networks_are_no_disks_at_hand(monkeypatch):
    """As /proc tells them: this machine's, and one whose lines are known."""
    syncing._is_journaled.cache_clear()
    proc = os.stat("/proc").st_dev
    assert not syncing._is_journaled(proc)
    lines = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 1 0:50 / /net rw shared:1 - nfs4 host:/ rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: lines)
    syncing._is_journaled.cache_clear()
    assert syncing._is_journaled(os.makedev(8, 1)) and not syncing._is_journaled(os.makedev(0, 50))
    syncing._is_journaled.cache_clear()
