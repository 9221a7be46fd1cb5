"""What the commands report in one line instead of a traceback."""


class RolloutError(Exception):
    """A request that cannot be met: what was asked, what was found, what to do."""
