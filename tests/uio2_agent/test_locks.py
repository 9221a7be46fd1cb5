"""One holder of a folder at a time, in a process and between processes, and none that is dead."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from uio2_agent.locks import FolderLock

# A holder and a process it forked, which goes on when the holder is killed.
HOLDER = """
import os, sys, time
from uio2_agent.locks import FolderLock
lock = FolderLock(sys.argv[1])
if os.fork() == 0:
    os.close(1)
    time.sleep(3)
    os._exit(0)
print(flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_in_the_same_process(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / "lock")
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            FolderLock(tmp_path / "lock")
    first.close()
    second = FolderLock(tmp_path / "lock")
    first.close()
    with pytest.raises(BlockingIOError):
        FolderLock(tmp_path / "lock")
    second.close()


def test_a_lock_ends_with_its_object_and_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = FolderLock(path)
    del held
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(BlockingIOError):
            FolderLock(path)
        other.kill()
    FolderLock(path).close()


def test_a_folder_that_is_gone_or_another_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    lock = FolderLock(tmp_path / "there" / "lock")
    assert lock.in_place()
    shutil.move(tmp_path / "there", tmp_path / "elsewhere")
    assert not lock.in_place()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "lock").touch()
    assert not lock.in_place()
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "nowhere" / "lock")
