"""Ctrl-C and SIGTERM during training: what is under way is finished first, so that its state can be saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupts:
    """While this is entered, SIGINT and SIGTERM raise KeyboardInterrupt: at once, or at the end of `held`.

    Signals that are ignored stay so. Outside the main thread, which alone gets signals, nothing changes.
    """

    def __init__(self) -> None:
        self._holding = self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing interrupt the block; a block inside it neither."""
        outer, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = outer
        if self._asked and not outer:
            raise KeyboardInterrupt

    @property
    def asked(self) -> bool:
        """Whether a signal waits for the end of a block."""
        return self._asked

    def _hear(self, *_: object) -> None:
        self._asked = True
        if not self._holding:
            raise KeyboardInterrupt
