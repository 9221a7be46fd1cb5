"""Logits processors, which change the scores of the next token before one is chosen: boxes, and the template
of joints.

One is called with the scores [B, V] and the tokens each row has so far (without the start token), and returns
new scores of the same shape; the scores handed in are left as they are. Unusual: rows may be at different
positions and each is judged by itself, where the official one for boxes works for a single row only. A token
that is pushed away keeps the score -10,000, as officially; to make an answer certain to parse use a grammar
(`uio2_agent.labels.grammars`).
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from uio2_agent.errors import UIO2Error
from uio2_agent.labels.keypoints import JOINTS
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import LOCATIONS, Vocabulary

AWAY = -10_000.0
"""Score of a token that is pushed away."""
FORCED = 1_000.0
"""Score of a token that is forced, all others being 0."""
ANY_LOCATION = -1
"""Stands for a location token in a template."""
BOX = 4
"""Tokens of a box."""


class BoxesProcessor:
    """Choose a location where locations together are likelier than `threshold`.

    Without that the many locations lose against one word, although together they are likelier.

    Arguments:
        threshold: probability of all locations together; officially 0.3 for localisation, 0.5 for detection.
        need_token: the end token may not come first, as in the official port.
        need_box: the first four tokens are locations whatever their probability, as in the official JAX code.
    """

    def __init__(
        self, vocabulary: Vocabulary, threshold: float, need_token: bool = False, need_box: bool = False
    ):
        if not 0 <= threshold <= 1:
            raise UIO2Error(f"the threshold of the boxes processor is a probability, got {threshold}")
        self._vocabulary, self._threshold = vocabulary, threshold
        self._need_token, self._need_box = need_token, need_box

    def __call__(self, scores: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
        location = _location_mask(self._vocabulary, scores)
        likely = scores.float().softmax(-1)[:, location].sum(-1) > self._threshold  # [B]
        length = torch.tensor([len(row) for row in tokens], device=scores.device)
        if self._need_box:
            likely = likely | (length < BOX)
        changed = scores.masked_fill(likely[:, None] & ~location, AWAY)
        if self._need_token:
            eos = self._vocabulary.eos
            changed[:, eos] = torch.where(length == 0, AWAY, changed[:, eos])
        return changed


class KeypointsProcessor:
    """Force two locations and the name of each joint, then the end: the model chooses locations only."""

    def __init__(self, tokenizer: TextTokenizer):
        self._vocabulary = tokenizer.vocabulary
        self.template = keypoint_template(tokenizer)

    def __call__(self, scores: Tensor, tokens: Sequence[Sequence[int]]) -> Tensor:
        at = np.minimum([len(row) for row in tokens], len(self.template) - 1)
        wanted = torch.from_numpy(self.template[at]).to(scores.device)[:, None]  # [B, 1]
        spots = scores.masked_fill(~_location_mask(self._vocabulary, scores), AWAY)
        forced = torch.zeros_like(scores).scatter(-1, wanted.clamp(min=0), FORCED)
        return torch.where(wanted == ANY_LOCATION, spots, forced)


def keypoint_template(tokenizer: TextTokenizer) -> np.ndarray:
    """Return the tokens of an answer about joints, int64: -1 for a location, ids of the names, the end."""
    names = (tokenizer.encode(name) for name in JOINTS)
    parts = [token for name in names for token in (ANY_LOCATION, ANY_LOCATION, *name)]
    return np.array([*parts, tokenizer.vocabulary.eos], np.int64)


def _location_mask(vocabulary: Vocabulary, scores: Tensor) -> Tensor:
    """Return bool [V]: which tokens are locations."""
    mask = torch.zeros(scores.shape[-1], dtype=torch.bool, device=scores.device)
    mask[vocabulary.pieces : vocabulary.pieces + LOCATIONS] = True
    return mask
