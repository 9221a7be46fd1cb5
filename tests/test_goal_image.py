"""Acting on goals: training shows the real one, the policy an imagined one, each in the same place."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import envs
from policies.base import Step
from policies.embodiments import get
from policies.goal_image import GoalImagePolicy
from policies.imagination import Imagination, belief
from policies.loading import load_policy
from policies.moment import Moment
from policies.prompts import scene
from policies.style import save_styles
from pretrain.examples import ExampleOptions, make_example
from pretrain.initialization import start_model
from tests.pretrain.sample_records import episode
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Target


def style():
    body = get("vima")
    return dataclasses.replace(body.style(small=True), goal=True).fitted(body.cameras)


def test_training_shows_the_end_of_the_episode_as_the_last_picture() -> None:
    record, body = episode("vima", np.random.default_rng(0)), get("vima")
    record.success, record.final_objects = True, record.objects[-1]
    shown = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        example = make_example(record, "plan", {"vima": style()}, ExampleOptions(augment=False), rng)
        words = "goal <image_history_"
        assert (words in example.request.text) == (example.moment.goal is not None)
        if example.moment.goal is None:
            continue
        shown += 1
        last = example.request.image_history[-1]
        assert np.array_equal(last, scene(body, record.final, style().drawn))
        assert f"{words}{len(example.request.image_history)}>" in example.request.text
    assert 4 <= shown <= 20
    plain = dataclasses.replace(style(), goal=False)
    without = make_example(
        record, "plan", {"vima": plain}, ExampleOptions(augment=False), np.random.default_rng(0)
    )
    assert without.moment.goal is None and "goal" not in without.request.text
    failed = SimpleNamespace(**{**vars(record), "success": False})
    tried = [
        make_example(failed, "plan", {"vima": style()}, ExampleOptions(), np.random.default_rng(seed))
        for seed in range(10)
    ]
    assert all(each.moment.goal is None for each in tried), "what failed has no goal"


@pytest.mark.parametrize("name", ["vima", "navigation"])
def test_a_goal_is_mirrored_with_its_moment(name: str) -> None:
    body = get(name)
    picture = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)
    state = np.zeros(len(body.state_names), np.float32)
    cameras = body.style(small=True).views or body.cameras
    now = Moment(
        task="visual_manipulation",
        prompt="x",
        prompt_assets={},
        state=state,
        views={camera: picture for camera in cameras},
        goal=picture,
    )
    changed = body.changed(now, [True] + [False] * (len(body.symmetries) - 1), cameras)
    assert np.array_equal(changed.goal, changed.views[cameras[0]]) and not np.array_equal(
        changed.goal, picture
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    fresh, _ = start_model("nano_goal", inherit="nano")
    fresh.image_table.weight.data[1] = 0  # the end token, which untrained weights may draw at any place
    fresh.save_pretrained(path)
    save_styles(path, {"vima": style()})
    return path


@pytest.fixture
def first(rendering: None) -> Iterator[tuple]:
    env = envs.suite("vima").make("visual_manipulation", "placement")
    yield env.reset(seed=5_000_000)
    env.close()


def asked(policy: GoalImagePolicy, monkeypatch: pytest.MonkeyPatch) -> list:
    """The requests that the policy's model is asked for texts from here on."""
    requests: list = []
    answer = policy.model.generate

    def generate(rows: list, target: str = "text", **options: object) -> list:
        requests.extend(rows if target == "text" else [])
        return answer(rows, target=target, **options)

    monkeypatch.setattr(policy.model, "generate", generate)
    return requests


def test_the_policy_draws_once_and_shows_what_it_believes(
    directory: Path, first: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(str(directory), goal="imagined", least_belief=-100.0)
    assert isinstance(policy, GoalImagePolicy)
    requests = asked(policy, monkeypatch)
    policy.reset(0, *first)
    for _ in range(2):
        policy.act([Step(0, *first)])
    drawn = Imagination(policy.model, policy.style_of).draw([first])[0]
    assert policy.drawn == 1 and policy.dropped == 0
    assert Imagination(policy.model, policy.style_of).draw([]) == []
    for request in requests:
        assert np.array_equal(request.image_history[-1], np.rint(drawn.picture * 255).astype(np.uint8))
        assert f"goal <image_history_{len(request.image_history)}>" in request.text


def test_a_goal_that_is_not_believed_is_drawn_again_and_dropped(
    directory: Path, first: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(str(directory), goal="imagined", least_belief=100.0, tries=3)
    requests = asked(policy, monkeypatch)
    policy.reset(0, *first)
    policy.act([Step(0, *first)])
    assert (policy.drawn, policy.dropped) == (3, 1)
    assert "goal" not in requests[0].text
    plain = load_policy(str(directory))
    assert asked(plain, monkeypatch) == [] and plain.drawn == 0
    with pytest.raises(UIO2Error, match="is no folder"):
        load_policy(str(directory), goal="imaginary")
    with pytest.raises(UIO2Error, match=r"least_beleif.*did you mean 'least_belief'"):
        load_policy(str(directory), least_beleif=1)


def test_belief_is_the_difference_of_two_losses(directory: Path, first: tuple) -> None:
    policy = load_policy(str(directory))
    imagination = Imagination(policy.model, policy.style_of)
    request, goal = imagination.request(first), imagination.draw([first])[0]
    model = policy.model
    markers = [word.rstrip(".,") for word in request.text.split() if word.startswith("<image")]
    wordless = dataclasses.replace(request, text=" ".join(markers))
    losses = []
    for each in (request, wordless):
        batch = model.processor([each], [Target(image=np.zeros((64, 128, 3), np.uint8))])
        target = model.token_targets(batch)["image"]
        tokens = torch.from_numpy(goal.tokens)[None]
        target = dataclasses.replace(
            target, targets=tokens, inputs=torch.nn.functional.pad(tokens[:, :-1], (1, 0))
        )
        with torch.no_grad():
            losses.append(model.score(target, model.encode(batch), modality="image").losses["image"].item())
    assert belief(model, request, goal.tokens) == pytest.approx(losses[1] - losses[0], abs=1e-3)
    assert goal.belief == pytest.approx(losses[1] - losses[0], abs=1e-3)
