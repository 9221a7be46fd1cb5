"""What must not be broken off in the middle: Ctrl-C and its like wait for its end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def signals_held() -> Iterator[None]:
    """Answer a signal that comes in the block as it would have been answered, but after the block."""
    held: list[int] = []
    if threading.current_thread() is threading.main_thread():
        held = [number for number in _NUMBERS if callable(signal.getsignal(number))]
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
