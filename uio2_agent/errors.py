"""The one root exception of the package.

A message is one line: what was asked, what was found, what to do.
"""


class UIO2Error(Exception):
    """Anything a caller did or supplied that the model cannot work with."""


class CheckpointError(UIO2Error):
    """A checkpoint that is missing, truncated, or made for another configuration."""


class RequestError(UIO2Error):
    """A request, target or image that the processor cannot turn into a batch."""
