"""Beam search against every sequence there is, against greedy, and row by row."""

import itertools

import numpy as np
import pytest
import torch

from tests.uio2_agent.scripted import EOS, START, TOKENS, Scripted, scores
from tests.uio2_agent.tiny import requests, tiny_model
from uio2_agent.errors import RequestError
from uio2_agent.generation.beams import beam_search
from uio2_agent.generation.stepping import Stepper


def log_probability(seed, line):
    """Return the summed log-probability of a line's tokens, over all tokens of the table."""
    total = 0.0
    for at, token in enumerate(line):
        values = scores(seed, [START, *line[:at]]).astype(np.float64)
        total += values[token] - np.log(np.exp(values).sum())
    return total


def every_line(tokens, limit):
    """Yield every answer over some tokens: ended, or as long as it may be."""
    going = [token for token in tokens if token != EOS]
    for length in range(1, limit + 1):
        for line in itertools.product(going, repeat=length - 1):
            for last in [EOS] if length < limit else tokens:
                yield [*line, last]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_enough_beams_find_the_best_of_all_lines(seed, power):
    """With more beams than open lines nothing is cut off and no request closes early."""
    limit, tokens = 3, [EOS, 3, 5, 6]
    allowed = torch.zeros(TOKENS, dtype=torch.bool)
    allowed[tokens] = True
    beams = 64
    ((found, score),) = beam_search(
        Scripted([seed] * beams), beams, limit, length_power=power, allowed=allowed
    )
    best = max(every_line(tokens, limit), key=lambda line: log_probability(seed, line) / len(line) ** power)
    assert found == best
    assert score == pytest.approx(log_probability(seed, best) / len(best) ** power, abs=1e-5)


def greedy(seed, limit):
    line = []
    while EOS not in line and len(line) < limit:
        line.append(int(scores(seed, [START, *line]).argmax()))
    return line


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_those_of_the_lines_and_no_worse_than_greedy(seed):
    for beams in (2, 3, 5):
        ((line, score),) = beam_search(Scripted([seed] * beams), beams, 6, length_power=0.0)
        assert score == pytest.approx(log_probability(seed, line), abs=1e-4)
        assert line[-1] == EOS or len(line) == 6
        assert EOS not in line[:-1]
        assert score >= log_probability(seed, greedy(seed, 6)) - 1e-4


@pytest.mark.parametrize("seed", range(10))
def test_one_beam_is_greedy(seed):
    ((line, _),) = beam_search(Scripted([seed]), 1, 8, length_power=0.0)
    assert line == greedy(seed, 8)


def test_an_end_that_is_not_among_the_first_beams_finishes_nothing():
    """As officially. After two tokens the lines that end have 0.24 and 0.20, with one open line between them.

    Were the second end to count, two beams would be full, and no open line likely enough to go on; but the
    fourth token is certain, so that the longest line is the best per token.
    """
    chances = {
        (): {2: 0.6, 3: 0.4},
        (2,): {EOS: 0.4, 4: 0.35},
        (3,): {EOS: 0.5, 5: 0.4},
        (2, 4): {6: 0.31, 7: 0.29},
        (2, 4, 6): {8: 1.0},
    }

    def table(seed, prefix):
        known = chances.get(tuple(prefix[1:]), {})
        others = [token for token in range(TOKENS) if token != EOS and token not in known]
        line = np.full(TOKENS, 1e-9)
        line[others] += (1 - sum(known.values())) / len(others)
        line[list(known)] = list(known.values())
        return np.log(line)

    ((line, score),) = beam_search(Scripted([0, 0], table), 2, 4)
    assert line == [2, 4, 6, 8]
    assert score == pytest.approx(np.log(0.6 * 0.35 * 0.31) / 4, abs=1e-4)


def test_requests_do_not_disturb_each_other():
    seeds, beams = [4, 9, 2], 3
    together = beam_search(Scripted([seed for seed in seeds for _ in range(beams)]), beams, 7)
    for seed, found in zip(seeds, together, strict=True):
        ((line, score),) = beam_search(Scripted([seed] * beams), beams, 7)
        assert found == (line, pytest.approx(score))


@torch.inference_mode()
def test_beams_of_a_model_score_as_the_whole_forward_does():
    model = tiny_model()
    answers = model.generate(requests(), beams=3, max_new_tokens=6)
    encoded = model.encode(model.processor(requests()))
    repeated = encoded.rows(torch.arange(4).repeat_interleave(3))
    lines = beam_search(Stepper(model, repeated, 6), 3, 6, allowed=_text_ids(model))
    for row, (answer, (line, score)) in enumerate(zip(answers, lines, strict=True)):
        assert answer.tokens.tolist() == [token for token in line if token != EOS]
        target = model.processor(requests()[row : row + 1], [""]).text_target
        ids = torch.tensor([line])
        inputs = torch.tensor([[START, *line[:-1]]])
        whole = type(target)(
            inputs, ids, torch.ones_like(ids, dtype=torch.bool), torch.arange(len(line))[None]
        )
        total = -model.score(whole, encoded.rows(torch.tensor([row]))).loss.item()  # mean over tokens
        assert score == pytest.approx(total, abs=1e-4)


def _text_ids(model):
    allowed = torch.zeros(model.config.text_rows, dtype=torch.bool)
    allowed[EOS : model.processor.tokenizer.vocabulary.size] = True
    return allowed


def test_refusals():
    model = tiny_model()
    with pytest.raises(RequestError, match="beams=0"):
        model.generate(requests()[0], beams=0)
    for option in (dict(temperature=1.0), dict(stop=("a",)), dict(compiled=True), dict(guidance=1.0)):
        with pytest.raises(RequestError, match=f"takes no {next(iter(option))}"):
            model.generate(requests()[0], beams=2, **option)
    with pytest.raises(RequestError, match="leave out beams, or parallel"):
        model.generate(requests()[0], beams=2, parallel=True)
