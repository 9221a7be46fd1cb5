"""Policies over slots with a scripted model in place of the network: state, batches, repeats, loading."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import policies
from policies import OraclePolicy, Policy, RandomPolicy, Step, UnifiedIO2Policy, load_policy
from policies.embodiments.tabletop_places import HIGH, LOW, yaw_of
from policies.embodiments.vima import VIMA, state_of
from policies.loading import check_policy, packaged_for
from policies.style import PromptStyle
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Answer
from uio2_agent.text.tokenizer import TextTokenizer

TOKENIZER = TextTokenizer.packaged()


def encode(action: dict, tool: int, number: int | None = None) -> str:
    return VIMA.action_text(action, state_of(tool), number)


class ScriptedModel:
    """Answers under the grammar; open positions depend on the request alone, like greedy random weights."""

    def __init__(self):
        self.processor = SimpleNamespace(tokenizer=TOKENIZER)
        self.calls: list[list] = []
        self.seeds: list = []

    def generate(self, requests, *, target, grammar, max_new_tokens, temperature, seed, fixed_shape):
        assert target == "text" and fixed_shape and len(requests) == len(grammar)
        self.calls.append(list(requests))
        self.seeds.append(seed)
        return [self._answer(r, g, max_new_tokens) for r, g in zip(requests, grammar, strict=True)]

    @staticmethod
    def _answer(request, grammar, most):
        digest = (
            sum(request.text.encode())
            + int(request.image.sum())
            + sum(int(i.sum()) for i in request.image_history)
        )
        rng, state, ids = np.random.default_rng(digest), grammar.start(), []
        while not state.done:
            run = list(state.forced()) or [int(rng.choice(state.choices()))]
            for token in run:
                state = state.advance(token)
            ids += run
        assert len(ids) <= most
        return Answer(text=TOKENIZER.decode(ids), tokens=np.array(ids[:-1]))


def _observation(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    return {"rgb": {v: rng.integers(0, 255, (3, 128, 256), dtype=np.uint8) for v in ("front", "top")}}


def _info(seed: int, end_effector: int = 0) -> dict:
    return {
        "prompt": "Put the {dragged_obj} down.",
        "prompt_assets": {"dragged_obj": {**_observation(900 + seed), "placeholder_type": "object"}},
        "embodiment": "vima",
        "end_effector": end_effector,
        "seed": seed,
    }


def _policy(**arguments) -> UnifiedIO2Policy:
    return UnifiedIO2Policy(ScriptedModel(), VIMA.style(small=True), **arguments)


def _episode(policy: Policy, slot: int, seed: int, steps: int = 3, end_effector: int = 0) -> list[str]:
    """Play an episode alone; its observations depend on the seed and the step."""
    info, texts = _info(seed, end_effector), []
    policy.reset(slot, _observation(seed), info)
    for t in range(steps):
        action = policy.act([Step(slot, _observation(seed + 1000 * t), info)])[0]
        handed = policy.action_text(slot)
        assert handed in (None, encode(action, end_effector, t)), "the text is not the action's"
        texts.append(encode(action, end_effector, t))
    return texts


@pytest.mark.parametrize("arguments", [{}, {"plan": "once", "plan_steps": 4}, {"temperature": 0.7}])
def test_episodes_do_not_depend_on_slots_or_company(arguments):
    alone = {seed: _episode(_policy(**arguments), 0, seed, end_effector=seed % 2) for seed in (1, 2, 3)}
    together = _policy(batch_size=2, **arguments)
    slots = {5: 3, 0: 1, 9: 2}
    for slot, seed in slots.items():
        together.reset(slot, _observation(seed), _info(seed, seed % 2))
    texts = {seed: [] for seed in alone}
    for t in range(3):
        steps = [
            Step(slot, _observation(seed + 1000 * t), _info(seed, seed % 2)) for slot, seed in slots.items()
        ]
        for seed, action in zip(slots.values(), together.act(steps[:: (-1) ** t])[:: (-1) ** t], strict=True):
            texts[seed].append(encode(action, seed % 2, t))
    assert texts == alone
    assert all(len(call) <= 2 for call in together.model.calls)


def test_replanning_sends_executed_steps_and_decodes_one_step():
    policy = _policy()
    texts = _episode(policy, 0, seed=1)
    requests = [request for call in policy.model.calls for request in call]
    assert len(requests) == 3
    for t, request in enumerate(requests):
        told = VIMA.parse(request.text)
        assert [step.text for step in told] == texts[:t]
        assert len(request.image_history) == 1 + (t > 0)
        if t:
            assert (request.image_history[-1] == requests[0].image).all()
    steps = VIMA.parse(policy.answer(0).text)
    assert len(steps) == 1 and steps[0].text == texts[-1]
    assert len(policy.answer(0).tokens) == 16


def test_plan_once_asks_once_then_idles():
    policy = _policy(plan="once", plan_steps=3)
    texts = _episode(policy, 0, seed=4, steps=5)
    assert len(policy.model.calls) == 1
    planned = [step.text for step in VIMA.parse(policy.answer(0).text)]
    assert texts[: len(planned)] == planned and 1 <= len(planned) <= 3
    idle = encode(VIMA.idle_action(state_of(0)), 0)
    assert [text.split(": ", 1)[1] for text in texts[len(planned) :]] == [idle] * (5 - len(planned))
    assert policy.answer(7) is None


def test_reset_forgets():
    policy = _policy()
    first = _episode(policy, 0, seed=1)
    _episode(policy, 0, seed=2)
    assert _episode(policy, 0, seed=1) == first


def test_a_call_that_raised_changed_nothing():
    """The runner asks slots one by one after a joint call failed: the others must not have moved on."""
    policy, expected = _policy(), _episode(_policy(), 0, seed=1, steps=1)
    for slot, seed in ((0, 1), (1, 2)):
        policy.reset(slot, _observation(seed), _info(seed))
    broken = Step(1, {"rgb": {}}, _info(2))
    with pytest.raises(UIO2Error, match="front view"):
        policy.act([Step(0, _observation(1), _info(1)), broken])
    action = policy.act([Step(0, _observation(1), _info(1))])[0]
    assert [encode(action, 0, 0)] == expected


def test_policy_hands_out_names_and_hashes():
    policy = _policy(name="nano")
    assert policy.name == "nano" and policy.vocabulary_hash == TOKENIZER.vocabulary.hash()
    with pytest.raises(UIO2Error, match="slot 3 was not reset"):
        policy.act([Step(3, _observation(0), _info(0))])
    for wrong in ({"plan": "twice"}, {"batch_size": 0}, {"temperature": -1.0}, {"plan_steps": 0}):
        with pytest.raises(UIO2Error):
            _policy(**wrong)


def test_random_policy_draws_inside_the_bounds_by_episode_seed():
    texts = _episode(RandomPolicy(), 0, seed=1, steps=50)
    assert _episode(RandomPolicy(), 8, seed=1, steps=50) == texts
    assert _episode(RandomPolicy(seed=1), 0, seed=1, steps=50) != texts
    assert _episode(RandomPolicy(), 0, seed=2, steps=50) != texts
    policy, info = RandomPolicy(), _info(0)
    policy.reset(0, _observation(0), info)
    actions = [policy.act([Step(0, {}, info)])[0] for _ in range(500)]
    for pose in (0, 1):
        positions = np.array([action[f"pose{pose}_position"] for action in actions])
        assert (positions >= LOW).all() and (positions <= HIGH).all()
        np.testing.assert_allclose(positions.mean(0), (LOW + HIGH) / 2, atol=0.05)
        yaws = np.array([yaw_of(action[f"pose{pose}_rotation"]) for action in actions])
        assert np.histogram(yaws, 4, (0, 2 * math.pi))[0].min() > 90
    with pytest.raises(UIO2Error, match="not reset"):
        policy.act([Step(5, {}, info)])


def test_oracle_plays_the_experts_action():
    action = {**VIMA.idle_action(state_of(1)), "pose1_rotation": 1.0}
    steps = [Step(0, {}, {**_info(0, 1), "expert_action": a}) for a in (action, None)]
    played = OraclePolicy().act(steps)
    assert played[0] is action
    assert encode(played[1], 1) == encode(VIMA.idle_action(state_of(1)), 1)
    with pytest.raises(UIO2Error, match="expert=True"):
        OraclePolicy().act([Step(0, {}, _info(0))])
    assert OraclePolicy().answer(0) is None


def test_loading_by_name_and_by_class_from_the_working_directory(tmp_path, monkeypatch):
    assert isinstance(load_policy("oracle"), OraclePolicy)
    assert load_policy("random", seed=3).seed == 3
    (tmp_path / "somebodys_code.py").write_text(
        "from policies import Policy\n"
        "class Constant(Policy):\n"
        "    name = 'constant'\n"
        "    def __init__(self, place=0.0): self.place = place\n"
        "    def act(self, steps): return [self.place for _ in steps]\n"
    )
    monkeypatch.chdir(tmp_path)
    policy = load_policy("somebodys_code:Constant", place=0.5)
    assert policy.name == "constant" and policy.act([None]) == [0.5]


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("randon", {}, r"did you mean 'random'\?\): use oracle, random, nano, nano_house, a directory"),
        ("no_such_module:Policy", {}, "cannot import 'no_such_module'"),
        ("policies.random:Randem", {}, "has no 'Randem'.*RandomPolicy"),
        ("random", {"sed": 1}, "'sed'; policy_args it takes: seed"),
        ("oracle", {"sede": 1}, "takes: noise, astray, by, seed"),
        ("oracle", {"noise": 2}, "share from 0 to 1"),
        ("ws://localhost:1", {}, "no policy server answers there.*is it running"),
        ("collections:UserDict", {}, "it has no reset, act, answer, name; derive it from policies.Policy"),
    ],
)
def test_loading_errors_say_what_to_do(spec, arguments, message):
    with pytest.raises(UIO2Error, match=message):
        load_policy(spec, **arguments)


RUINED = """
import sys
class Base:
    name = "base"
    def reset(self, *_): ...
    def act(self, steps): ...
    def answer(self, slot): ...
class Unspeakable(Exception):
    def __str__(self): raise RuntimeError
class Raises(Base):
    def __init__(self): raise ValueError("no weights\\nhere")
class Leaves(Base):
    def __init__(self): sys.exit("gone")
class Mumbles(Base):
    def __init__(self): raise Unspeakable
class Nameless(Base):
    @property
    def name(self): raise KeyError("title")
def made(): raise OSError(28, "No space left")
value = 3
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Raises",
            r"policy=ruined:Raises: Raises cannot be made, ValueError: no weights here \(ruined.py, line 11",
        ),
        ("Leaves", r"Leaves cannot be made, SystemExit: gone \(ruined.py, line 13\)"),
        ("Mumbles", r"Mumbles cannot be made, Unspeakable: \(its text raises RuntimeError\)"),
        ("Nameless", r"Nameless cannot be made, KeyError: 'title'"),
        ("made", r"made cannot be made, OSError: \[Errno 28\] No space left"),
        ("value", r"ruined has no 'value'; it has Base, Leaves, Mumbles, Nameless, Raises, Unspeakable"),
        ("Raised", r"has no 'Raised' \(did you mean 'Raises'\?\)"),
    ],
)
def test_a_class_that_cannot_be_made_is_named(name, said, tmp_path, monkeypatch):
    (tmp_path / "ruined.py").write_text(RUINED)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UIO2Error, match=said) as caught:
        load_policy(f"ruined:{name}")
    assert "\n" not in str(caught.value)


def test_an_interrupt_in_a_constructor_is_one(tmp_path, monkeypatch):
    (tmp_path / "waiting.py").write_text("def made(): raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        load_policy("waiting:made")


def test_policies_are_checked_without_being_made():
    check_policy("nano", {"plan": "once"})
    with pytest.raises(UIO2Error, match=r"unknown arguments plam \(did you mean 'plan'\?\)"):
        check_policy("nano", {"plam": "once"})
    with pytest.raises(UIO2Error, match="'spec'"):
        check_policy("random", {"spec": "x"})


def test_public_names_load_lazily():
    for name in policies.__all__:
        assert getattr(policies, name).__name__ == name
    with pytest.raises(AttributeError, match="RandomPolicy"):
        policies.RandomPolic  # noqa: B018


def test_each_body_has_its_packaged_model():
    assert packaged_for("vima") == "nano" and packaged_for("navigation") == "nano_house"
    with pytest.raises(UIO2Error, match=r"none of the packaged models .nano.* acts as 'octopus': name one"):
        packaged_for("octopus")


def test_steps_are_drawn_as_the_body_asks_where_nobody_says_otherwise(monkeypatch):
    """Bodies of two temperatures in one call: each in batches of its own, each answered in its place."""
    walk = PromptStyle(views=("front",), wording="short")
    styles = {"vima": VIMA.style(small=True), "navigation": walk}
    walking = {"prompt": "Go to the goal.", "prompt_assets": {}, "embodiment": "navigation", "seed": 3}

    def steps(policy):
        found = []
        for slot, info in enumerate((_info(1), walking, _info(2))):
            observation = _observation(slot) | {"pose": np.zeros(4, np.float32)}
            policy.reset(slot, observation, info)
            found.append(Step(slot, observation, info))
        return found

    for asked, wanted in ((None, [(0.0, 2), (0.7, 1)]), (0.3, [(0.3, 3)])):
        drawn, model = [], ScriptedModel()
        plain = model.generate

        def generate(requests, *, plain=plain, drawn=drawn, **arguments):
            drawn.append((arguments["temperature"], len(requests)))
            return plain(requests, **arguments)

        monkeypatch.setattr(model, "generate", generate)
        policy = UnifiedIO2Policy(model, styles, temperature=asked)
        actions = policy.act(steps(policy))
        assert drawn == wanted
        assert [type(action) for action in actions] == [dict, int, dict]
