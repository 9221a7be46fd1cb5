"""Answer scoring: which of several texts the model would rather say.

Unusual: a score is a loss, so lower is better. The request is encoded once, and projected for the decoder's
cross-attention once; all options go through the decoder in one batch and share both.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uio2_agent.errors import RequestError
from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.inputs.processor import processor_of
from uio2_agent.model import Encoded, Network
from uio2_agent.request import Request


@torch.inference_mode()
def score_options(
    model: Network, request: Request, options: Sequence[str], *, average: bool = True
) -> np.ndarray:
    """Return the cross-entropy float32 [options] of each option as the answer to a request.

    Arguments:
        average: the mean over an option's tokens, end included; else their sum, which favours short options.
    """
    processor = processor_of(model)
    if not options:
        raise RequestError("no options to score: hand in at least one text")
    texts = processor([Request("any")] * len(options), options).to(model.device)
    encoded = model.encode(processor([request]).to(model.device))
    return option_losses(model, encoded, texts.text_target, average=average).cpu().numpy()


def option_losses(model: Network, encoded: Encoded, options: TokenTarget, *, average: bool = True) -> Tensor:
    """Return the cross-entropy float32 [options] of target rows, all for the one row of `encoded`."""
    logits = model.score(options, encoded).logits["text"].float()
    per_token = F.cross_entropy(logits.transpose(1, 2), options.targets, reduction="none") * options.mask
    total = per_token.sum(1)
    return total / options.mask.sum(1).clamp(min=1) if average else total
