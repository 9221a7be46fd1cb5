"""What stops a training, in a line that says what to do."""

from uio2_agent.errors import UIO2Error


class TrainingError(UIO2Error):
    """A run that cannot start or go on as asked."""


def explained(error: Exception, batch_size: int, kept: str) -> Exception:
    """Return a TrainingError where memory ran out, the error itself for everything else.

    `kept` says what there is to go on from.
    """
    import torch  # this module is loaded to check words, too

    text = str(error)
    if "DataLoader worker" in text:
        return TrainingError(
            "a process that prepares batches was ended, as the system does when memory runs out: start the "
            f"same again, with workers=0 to be safe; {kept}"
        )
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate" in text:
        return TrainingError(
            f"there is too little memory for batch_size={batch_size}: use a smaller one, "
            f"dtype=bfloat16, or adapters (lora_rank=16), in another output; {kept}"
        )
    return error
