"""Action text against recorded cases of the released parser, and properties over seeded random actions."""

import json
import math

import numpy as np
import pytest

from policies.action_text import StepForm, numbered
from policies.embodiments.tabletop_places import HIGH, LOW, quaternion_of, yaw_of
from policies.embodiments.vima import SPATULA, SUCTION, VIMA, state_of
from uio2_agent.errors import UIO2Error
from uio2_agent.grammar import Grammar
from uio2_agent.text.tokenizer import TextTokenizer

BIN_M = (HIGH - LOW) / 999
BIN_RAD = 2 * math.pi / 999


def encode(action, tool, number=None):
    return VIMA.action_text(action, state_of(tool), number)


def plan(actions, tool, first=0):
    return " ".join(encode(action, tool, first + i) for i, action in enumerate(actions))


def decode(bins):
    return VIMA.from_values(SUCTION, np.array(bins) / 999)


def idle(tool):
    return VIMA.idle_action(state_of(tool))


@pytest.fixture(scope="module")
def cases(shared):
    return json.loads((shared / "fixtures" / "training" / "vima_actions.json").read_text())["cases"]


def test_parser_agrees_with_the_released_one(cases):
    assert len(cases) >= 10
    for case in cases:
        steps = VIMA.parse(case["text"], released=True)
        if case["actions"] is None:
            assert steps == []
            continue
        assert [str(step.number) for step in steps] == case["steps"]
        for i, (step, recorded) in enumerate(zip(steps, case["actions"], strict=True)):
            values = np.array(step.bins) / 1000 * [1, 1, 360, 1, 1, 360]
            np.testing.assert_allclose([*values, step.kind], recorded, atol=1e-6)
            for pose in (0, 1):
                position = case["reconstructed"][f"pose{pose}_position"][i]
                np.testing.assert_allclose(step.action[f"pose{pose}_position"], position, atol=1e-6)
                # The recorded quaternions carry the degree/radian slip; ours must be the yaw that the text
                # says.
                degrees = recorded[2 + 3 * pose]
                assert _apart(yaw_of(step.action[f"pose{pose}_rotation"]), math.radians(degrees)) < 1e-6


def test_default_mode_reads_bins_over_999():
    step = VIMA.parse(
        "7: push from ( <extra_id_200> <extra_id_1199> <extra_id_449> ) and push to "
        "( <extra_id_1199> <extra_id_200> <extra_id_200> )"
    )[0]
    assert (step.number, step.kind) == (7, SPATULA)
    np.testing.assert_allclose(step.action["pose0_position"], [0.25, 0.5])
    np.testing.assert_allclose(step.action["pose1_position"], [0.75, -0.5])
    assert yaw_of(step.action["pose0_rotation"]) == pytest.approx(249 / 999 * 2 * math.pi, abs=1e-6)
    assert step.action["pose0_position"].dtype == step.action["pose0_rotation"].dtype == np.float32


def test_text_is_the_official_one():
    action = {
        "pose0_position": [0.5, 0.0],
        "pose0_rotation": [0, 0, 0, 1],
        "pose1_position": [0.25, 0.5],
        "pose1_rotation": math.pi,
    }
    assert encode(action, SUCTION, 0) == (
        "0: pick from ( <extra_id_699> <extra_id_699> <extra_id_200> ) and place to "
        "( <extra_id_200> <extra_id_1199> <extra_id_699> )"
    )
    assert encode(action, SPATULA).startswith("push from ( <extra_id_699> ")
    assert VIMA.parse("nothing 3: pick from nowhere") == []


def _random_action(rng: np.random.Generator) -> dict:
    action = {}
    for pose in (0, 1):
        action[f"pose{pose}_position"] = rng.uniform(LOW, HIGH).astype(np.float32)
        yaw, length = rng.uniform(-20, 20), rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 6)
        action[f"pose{pose}_rotation"] = yaw if rng.random() < 0.5 else length * quaternion_of(yaw)
    return action


@pytest.mark.parametrize("released", [False, True])
def test_round_trip_stays_within_one_bin(released):
    rng = np.random.default_rng(20)
    for _ in range(500):
        actions = [_random_action(rng) for _ in range(rng.integers(1, 4))]
        ee, first = int(rng.integers(2)), int(rng.integers(20))
        steps = VIMA.parse(plan(actions, ee, first), released)
        assert [step.number for step in steps] == list(range(first, first + len(actions)))
        for action, step in zip(actions, steps, strict=True):
            assert step.kind == ee
            for pose in (0, 1):
                off = np.abs(step.action[f"pose{pose}_position"] - action[f"pose{pose}_position"])
                allowed = 1 if not released else 2  # reading /1000 loses up to one bin by itself
                assert (off <= allowed * BIN_M + 1e-6).all()
                turned = _apart(
                    yaw_of(step.action[f"pose{pose}_rotation"]), yaw_of(action[f"pose{pose}_rotation"])
                )
                assert turned <= allowed * BIN_RAD + 1e-6


def test_writing_what_was_read_changes_nothing():
    for b in range(999):
        text = encode(decode([b] * 6), SUCTION, 0)
        assert VIMA.parse(text)[0].bins == (b,) * 6
    assert VIMA.parse(encode(decode([999] * 6), SUCTION, 0))[0].bins == (999, 999, 0) * 2


def test_yaw_of_any_quaternion():
    rng = np.random.default_rng(3)
    for _ in range(500):
        yaw, pitch, roll = rng.uniform(-math.pi, math.pi), rng.uniform(-1.5, 1.5), rng.uniform(-3, 3)
        # Independent: the direction that the rotation matrix R = Rz Ry Rx gives to the x axis.
        cy, sy, cp, sp, cr, sr = *_cs(yaw / 2), *_cs(pitch / 2), *_cs(roll / 2)
        quaternion = np.array(
            [
                cy * cp * sr - sy * sp * cr,
                cy * sp * cr + sy * cp * sr,
                sy * cp * cr - cy * sp * sr,
                cy * cp * cr + sy * sp * sr,
            ]
        )
        for length in (1.0, -1.0, 1e-200, 1e200, 0.3):
            found = yaw_of(length * quaternion)
            assert 0 <= found < 2 * math.pi
            assert _apart(found, yaw) < 1e-6
    assert yaw_of([0, 0, 0, 0]) == 0.0
    assert yaw_of(-1e-20) == 0.0
    assert yaw_of(np.float32(-math.pi / 2)) == pytest.approx(1.5 * math.pi, abs=1e-6)


def _cs(angle):
    return math.cos(angle), math.sin(angle)


def _apart(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def test_a_hair_less_than_no_rotation_is_no_rotation():
    action = {**idle(SUCTION), "pose1_rotation": quaternion_of(-1e-7)}
    assert VIMA.parse(encode(action, SUCTION, 0))[0].bins[5] == 0


def test_positions_are_clipped_and_nonsense_is_refused():
    action = idle(SPATULA)
    far = {**action, "pose0_position": [-3.0, 7.0]}
    assert VIMA.parse(encode(far, SPATULA, 0))[0].bins[:2] == (0, 999)
    for key, value in (
        ("pose0_position", [0.3, math.nan]),
        ("pose0_position", [0.3]),
        ("pose1_rotation", [0, 0, 1]),
        ("pose1_rotation", math.inf),
    ):
        with pytest.raises(UIO2Error):
            encode({**action, key: value}, SPATULA)
    with pytest.raises(UIO2Error, match="pose1_rotation"):
        encode({k: v for k, v in action.items() if k != "pose1_rotation"}, SPATULA)
    with pytest.raises(UIO2Error, match="end effector 2"):
        encode(action, 2)


def test_steps_with_ids_that_are_no_locations_are_passed_over():
    text = encode(idle(SUCTION), SUCTION, 0)
    assert VIMA.parse(text.replace("<extra_id_200>", "<extra_id_199>")) == []
    assert VIMA.parse(text.replace("<extra_id_200>", "<extra_id_1200>")) == []


def test_numbered():
    assert (
        numbered("pick from", 2)
        == numbered("0: pick from", 2)
        == numbered(" 13:  pick from ", 2)
        == "2: pick from"
    )


@pytest.mark.parametrize("name", ["packaged", "official stand-in"])
@pytest.mark.parametrize("end_effector", [SUCTION, SPATULA])
def test_whatever_is_drawn_under_the_grammar_parses(name, end_effector, shared):
    stand_in = shared / "fixtures" / "uio2" / "mock_llama_tokenizer.model"
    tokenizer = TextTokenizer.packaged() if name == "packaged" else TextTokenizer(stand_in)
    rng = np.random.default_rng(5)
    for first, most in ((0, 1), (0, 4), (8, 3), (99, 2)):
        built = VIMA.grammar(tokenizer, state_of(end_effector), first, most)
        lengths = set()
        for _ in range(30):
            state, ids = built.start(), []
            while not state.done:
                run = list(state.forced()) or [int(rng.choice(state.choices()))]
                for token in run:
                    state = state.advance(token)
                ids += run
            text = tokenizer.decode(ids)
            steps = VIMA.parse(text)
            assert " ".join(step.text for step in steps) == text
            assert [step.number for step in steps] == list(range(first, first + len(steps)))
            assert {step.kind for step in steps} == {end_effector}
            # The grammar's own ids are those that training sees for this text.
            assert tokenizer.encode(text) == ids[:-1]
            lengths.add(len(steps))
        assert lengths <= set(range(1, most + 1)) and (most == 1 or 1 in lengths)


def test_a_step_asks_the_decoder_six_times():
    """Every run of forced tokens rides on the next open position; what follows the sixth bin is forced to the
    end.
    """
    tokenizer = TextTokenizer.packaged()
    state = VIMA.grammar(tokenizer, state_of(SUCTION)).start()
    calls, tokens = 0, 0
    while not state.done:
        run = state.forced()
        tokens += len(run)
        for token in run:
            state = state.advance(token)
        if not state.done:
            calls, tokens, state = calls + 1, tokens + 1, state.advance(int(state.choices()[0]))
    assert calls == 6
    assert tokens == 17  # sixteen and the end token


def test_forms_of_any_words_and_counts():
    """Bodies bring forms of their own: nothing in brackets, one number, words at the end."""
    forms = [StepForm("turn left"), StepForm("move to", 2), StepForm("wait", 1, "seconds")]
    tokenizer = TextTokenizer.packaged()
    for form in forms:
        text = form.write([0.25] * form.count, 7)
        (step,) = form.find(f"so: {text} and so on")
        assert (step.start, step.number, step.text, len(step.bins)) == (4, 7, text, form.count)
        state, ids = Grammar(form.grammar(tokenizer, 7), tokenizer.vocabulary.eos).start(), []
        for token in [*tokenizer.encode(text), tokenizer.vocabulary.eos]:
            state = state.advance(token)
            ids.append(token)
        assert state.done


def test_reading_takes_time_in_proportion_to_the_text():
    """Twice the text, not four times the work: a step number has at most nine digits."""
    assert VIMA.parse("9" * 100_000 + ": pick from") == []
    text = encode(idle(SUCTION), SUCTION, 0)
    assert VIMA.parse("1234567890" + text) == []  # eleven digits are no step's number
    assert VIMA.parse("12345678" + text)[0].number == 123456780


def test_what_is_no_action_is_refused():
    good = idle(SUCTION)
    for wrong, message in (
        (5, "a mapping of pose0_position"),
        ({**good, "pose0_position": [10**400, 0]}, "pose0_position must be 2 finite numbers"),
        ({**good, "pose0_position": "here"}, "pose0_position must be 2 finite numbers"),
        ({**good, "pose1_rotation": [0, 0, np.nan, 1]}, "pose1_rotation must be 4 finite numbers"),
        ({k: v for k, v in good.items() if k != "pose0_rotation"}, "no 'pose0_rotation'"),
    ):
        with pytest.raises(UIO2Error, match=message):
            VIMA.checked(wrong)
    executed = VIMA.checked({**good, "pose0_rotation": math.pi, "note": "left out"})
    assert set(executed) == set(good) and {a.dtype for a in executed.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(VIMA.vector(VIMA.action(VIMA.vector(executed))), VIMA.vector(executed))
