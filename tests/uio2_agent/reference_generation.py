"""Generation, answer scoring and losses of the reference model.

The encoder runs once, the whole decoder for each token: no cache, so nothing of a cache can be wrong.
"""

import torch
import torch.nn.functional as functional

EOS = FILLER = 1


def next_scores(reference, modality, ids, encoded):
    """Scores [B, t, V] of the tokens that follow each of `ids` [B, t] (a leading 0 included)."""
    length = ids.shape[1]
    rows = reference.decoder_rows(modality)[:length].expand(len(ids), -1, -1)
    causal = torch.ones(1, 1, length, length).tril()
    cross = (encoded[1] > 0)[:, None, None, :].expand(-1, -1, length, -1)
    masks = [causal] * reference.main["num_decoder_layers"]
    hidden = reference.decode(reference.embed_ids(modality, ids), rows, masks, cross, encoded)
    return reference.head(modality, hidden)


def greedy(reference, modality, batch, steps, eos=EOS, negative=None, guidance=0.0):
    """Ids [B, steps + 1], scores of each step [B, steps, V]; finished rows are filled with 1.

    With a `negative` batch (of one row or B) scores are (1 + guidance) * main - guidance * negative, of
    log-probabilities, and both continue with the token that they choose.
    """
    encoded = reference.encode(batch)
    if negative is not None:
        negative = tuple(each.expand(len(encoded[0]), *each.shape[1:]) for each in reference.encode(negative))
    ids = torch.zeros(len(encoded[0]), 1, dtype=torch.long)
    finished, scores = torch.zeros(len(ids), dtype=torch.bool), []
    while ids.shape[1] <= steps and not finished.all():
        score = next_scores(reference, modality, ids, encoded)[:, -1]
        if negative is not None:
            against = next_scores(reference, modality, ids, negative)[:, -1].log_softmax(-1)
            score = (1 + guidance) * score.log_softmax(-1) - guidance * against
        chosen = torch.where(finished, FILLER, score.argmax(-1))
        finished = finished | (chosen == eos)
        ids = torch.cat([ids, chosen[:, None]], 1)
        scores.append(score)
    return ids, torch.stack(scores, 1)


def step_margin(scores):
    """Smallest gap over the rows between the two best scores of each step, [steps]."""
    best = scores.topk(2, -1).values
    return (best[..., 0] - best[..., 1]).min(0).values


def beam_search(reference, batch, beams, steps):
    """Best line of each row, ids [B, longest + 1] filled with 1, and its score.

    A line that ends is worth its log-probability over its length, the end included; a row is done when it
    holds `beams` ended lines and no open one is worth more than the worst of them.
    """
    encoded = reference.encode(batch)
    answers = [
        _beams(reference, [each[row : row + 1] for each in encoded], beams, steps)
        for row in range(len(encoded[0]))
    ]
    longest = max(len(line) for _, line in answers)
    ids = torch.full((len(answers), longest), FILLER)
    for row, (_, line) in enumerate(answers):
        ids[row, : len(line)] = torch.tensor(line)
    return ids, torch.tensor([worth for worth, _ in answers])


def _beams(reference, encoded, beams, steps):
    lines, ended = [(0.0, [0])], []
    for step in range(1, steps + 1):
        ids = torch.tensor([line for _, line in lines])
        repeated = [each.expand(len(ids), *each.shape[1:]) for each in encoded]
        logs = next_scores(reference, "text", ids, repeated)[:, -1].log_softmax(-1)
        candidates = [
            (total + float(logs[row, token]), [*line, token])
            for row, (total, line) in enumerate(lines)
            for token in logs[row].topk(2 * beams).indices.tolist()
        ]
        candidates = sorted(candidates, reverse=True)[: 2 * beams]
        for rank, (total, line) in enumerate(candidates):
            if line[-1] == EOS and rank < beams:
                ended = sorted([*ended, (total / step, line)], reverse=True)[:beams]
        lines = [(total, line) for total, line in candidates if line[-1] != EOS][:beams]
        if len(ended) == beams and ended[-1][0] >= candidates[0][0] / step:
            return ended[0]
    return max([*ended, *((total / steps, line) for total, line in lines)])


def score_options(reference, batch, options, average=True):
    """Cross-entropy of each option [O, T] (0 is padding) as the answer to a batch of one row, [O]."""
    encoded = [each.expand(len(options), *each.shape[1:]) for each in reference.encode(batch)]
    scores = next_scores(reference, "text", functional.pad(options[:, :-1], (1, 0)), encoded)
    each = functional.cross_entropy(scores.transpose(1, 2), options, reduction="none") * (options > 0)
    return each.sum(1) / (options > 0).sum(1) if average else each.sum(1)


def losses(outputs):
    """Per modality (mean cross-entropy, mean squared log-partition) where the loss mask is set (8.5)."""
    found = {}
    for modality, (logits, targets, mask) in outputs.items():
        kept = mask > 0
        square = logits[kept].logsumexp(-1).square().mean()
        found[modality] = functional.cross_entropy(logits[kept], targets[kept]), square
    return found
