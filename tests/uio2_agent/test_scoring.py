"""Answer scoring against teacher forcing of each option by itself."""

import pytest

from uio2_agent.errors import RequestError
from uio2_agent.scoring import score_options

from .tiny import requests, tiny_model

OPTIONS = ["red", "a green block in the bowl", "yes"]


def test_scores_equal_the_loss_of_each_option_alone():
    model = tiny_model()
    request = requests()[0]
    scores = score_options(model, request, OPTIONS)
    for option, score in zip(OPTIONS, scores, strict=True):
        batch = model.processor([request], [option])
        assert score == pytest.approx(model(batch).loss.item(), abs=1e-5)
        total = score_options(model, request, [option], average=False)
        assert total[0] == pytest.approx(score * batch.text_target.mask.sum().item(), rel=1e-5)


def test_no_options_is_one_clear_error():
    with pytest.raises(RequestError, match="no options"):
        score_options(tiny_model(), requests()[0], [])
