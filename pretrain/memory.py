"""Keeps freed memory in the process: on CPU a training step otherwise spends much of its time in the kernel.

By default glibc hands large freed blocks back to the system and gets them again, zeroed page by page, a
moment later. A training step does that with every activation. Elsewhere than on glibc this does nothing.
"""

import ctypes
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # names of mallopt(3)


def keep_freed_memory() -> None:
    """Let malloc serve large blocks from its own heap and never shrink it."""
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28)):
        libc.mallopt(option, value)
