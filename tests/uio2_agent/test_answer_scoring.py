"""Answer scoring against teacher forcing of each option by itself."""

import numpy as np
import pytest

from tests.uio2_agent.tiny import full_model, full_requests, requests, tiny_model
from uio2_agent.errors import RequestError
from uio2_agent.generation.answer_scoring import score_options

OPTIONS = ["red", "a green block in the bowl", "yes"]


@pytest.mark.parametrize("cross_every", [1, 2])
def test_scores_equal_the_loss_of_each_option_alone(cross_every):
    model = full_model(cross_every=cross_every)
    for request in full_requests():
        scores = score_options(model, request, OPTIONS)
        assert scores.shape == (3,) and scores.dtype == np.float32
        for option, score in zip(OPTIONS, scores, strict=True):
            batch = model.processor([request], [option])
            assert score == pytest.approx(model(batch).loss.item(), abs=1e-5)
            total = score_options(model, request, [option], average=False)
            assert total[0] == pytest.approx(score * batch.text_target.mask.sum().item(), rel=1e-5)


def test_the_encoder_side_is_projected_once_for_all_options():
    model, rows = tiny_model(), []
    for layer in model.decoder.layers:
        layer.cross_attention.key.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    score_options(model, requests()[0], OPTIONS * 5)
    assert rows == [1] * len(model.decoder.layers)


def test_no_options_is_one_clear_error():
    with pytest.raises(RequestError, match="no options"):
        score_options(tiny_model(), requests()[0], [])
