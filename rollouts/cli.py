"""The way into the `uio2` command: Ctrl-C is answered from here on, so nothing is imported before it is.

Unusual: while modules are loaded a signal ends the process at once. Nothing is begun by then, and an
exception in the middle of an import might be swallowed there. From the command's own work on it is
KeyboardInterrupt. Once the work is over, saved or done, a signal ends the process at once with the status it
has earned. What comes before the first line here, while Python itself starts, nobody can answer.
"""

import os
import sys


def _leave(*_: object) -> None:
    os.write(2, b"\nstopped before the work began\n")
    os._exit(130)


try:
    import signal
    from collections.abc import Sequence
except KeyboardInterrupt:
    _leave()

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""A scheduler's stop is a Ctrl-C, and so is a terminal that was closed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 2 a request that cannot be met, 130 interrupted."""
    before = _answer(_leave)
    status = None
    try:
        from rollouts.command_line import run

        status = run(
            sys.argv[1:] if arguments is None else arguments, lambda: _answer(signal.default_int_handler)
        )
        return status
    finally:
        if arguments is None and status is not None:  # the process ends: modules may take seconds to do so
            _answer(lambda *_: os._exit(status))
        else:
            for number, handler in before.items():
                signal.signal(number, handler)


def _answer(handler: object) -> dict:
    """Answer signals so; returns how each was answered. Those that are ignored stay so (a job of a script in
    the background), and so does everything outside the main thread, where Python sets none.
    """
    before = {}
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            try:
                before[number] = signal.signal(number, handler)
            except ValueError:
                break
    return before


if __name__ == "__main__":
    sys.exit(main())
