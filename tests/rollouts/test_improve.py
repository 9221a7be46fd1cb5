"""The loop on a toy: stopped anywhere it comes to the same, worse weights are undone, seeds never meet."""

import dataclasses
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envs import suite
from policies import embodiments
from policies.style import save_styles
from pretrain.errors import TrainingError
from pretrain.initialization import start_model
from pretrain.sources import EpisodeFolders
from rollouts.errors import RolloutError
from rollouts.improve import improve
from rollouts.improving import stages
from rollouts.improving.record import RECORD, Record
from rollouts.improving.settings import ImproveConfig
from rollouts.pages import improvement as page
from rollouts.results.statistics import wilson
from tests.toys import TOY

SMALL: dict[str, Any] = {
    **{"env": TOY, "task": "slide", "rounds": 1, "led": 3, "own": 1, "steps": 2, "batch_size": 2},
    **{"validation_episodes": 2, "test_episodes": 3, "slots": 2, "control": True},
    "train": {"threads": 1, "workers": 0, "device": "cpu"},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh model, which solves nothing."""
    directory = tmp_path_factory.mktemp("model")
    fresh, _ = start_model("nano")
    fresh.save_pretrained(directory)
    body = embodiments.get("vima")
    save_styles(directory, {"vima": body.style(small=True)})
    return str(directory)


def configured(model: str, output: Path, **changes: Any) -> ImproveConfig:
    return ImproveConfig(**{**SMALL, "policy": model, "output": str(output), **changes})


def played(config: ImproveConfig) -> dict[str, Any]:
    output = Path(config.output)
    output.mkdir(exist_ok=True)
    return improve(config, output, lambda record: page.write(output, record))


def lasting(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the time that was spent."""
    return {key: value for key, value in record.items() if key != "seconds"}


@pytest.fixture(scope="module")
def whole(model: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("whole")
    return output, played(configured(model, output))


def test_a_loop_killed_at_every_stage_comes_to_the_same(
    model: str, whole: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after a stage is noted: neither is anything lost nor done twice."""
    noted, done = Record.add, []

    def killed(record: Record, stage: str, *facts: Any) -> None:
        done.append(stage)
        if done.count(stage) == 1:
            raise KeyboardInterrupt
        noted(record, stage, *facts)
        raise KeyboardInterrupt

    monkeypatch.setattr(Record, "add", killed)
    config = configured(model, tmp_path)
    for _ in range(2 * len(whole[1]["stages"])):
        with pytest.raises(KeyboardInterrupt):
            played(config)
    monkeypatch.setattr(Record, "add", noted)
    record = played(config)
    assert set(map(done.count, done)) == {2} and len(set(done)) == len(whole[1]["stages"])
    assert lasting(record) == lasting(whole[1]) == lasting(json.loads((whole[0] / RECORD).read_text()))
    for arm in ("round_1", "control_1"):
        weights = [
            (place / arm / "train" / "model.safetensors").read_bytes() for place in (whole[0], tmp_path)
        ]
        assert weights[0] == weights[1]
    monkeypatch.setattr(Record, "add", lambda *_: pytest.fail("nothing is left to do"))
    assert lasting(played(config)) == lasting(record)


def test_what_a_round_learns_from_is_labelled_by_the_expert(whole: tuple[Path, dict]) -> None:
    output, record = whole
    led = EpisodeFolders([output / "round_1" / "led"])
    assert [fact["seed"] for fact in led.facts] == [2_000_000, 2_000_001, 2_000_002]
    body = embodiments.get("vima")
    for episode in led:
        env = suite(TOY).make("slide", expert=True)
        observation, info = env.reset(seed=episode.seed)
        for number, vector in enumerate(episode.actions):
            said = body.action_text(info["expert_action"], body.state(observation, info), number)
            assert (episode.expert_texts[number] or episode.action_texts[number]) == said
            observation, _, _, _, info = env.step(body.action(vector))
    expert = EpisodeFolders([output / "control_1" / "demonstrations"])
    assert len(expert) == 4 and all(episode.success for episode in expert)
    counts = [record["stages"][f"round_1/{kind}"] for kind in ("led", "own")]
    assert [count["learned"] + count["unlabelled"] for count in counts] == [
        count["episodes"] for count in counts
    ]
    assert counts[1]["outcomes"] == {"truncated": 1} and counts[1]["episodes"] == 0, "unsolved, so dropped"


def test_other_words_weights_and_results_are_refused(
    model: str, whole: tuple[Path, dict], tmp_path: Path
) -> None:
    output = whole[0]
    for change, said in (({"steps": 3}, r"steps=2 \(now 3\)"), ({"policy": "nano"}, "checkpoint_hash=")):
        with pytest.raises(RolloutError, match=said):
            played(configured(model, output, **change))
    for name, content in (
        ("round_0/test/result.json", '{"episodes": []}'),
        ("round_1/train/config.json", "{}"),
    ):
        path = output / name
        kept = path.read_bytes()
        path.write_text(content)
        with pytest.raises(
            RolloutError, match=f"{Path(name).parent} no longer holds what the loop left there"
        ):
            played(configured(model, output))
        path.write_bytes(kept)
    first = Record(output, whole[1]["recipe"])
    with pytest.raises(RolloutError, match="another process improves"):
        Record(output, {})
    first.close()


def test_data_that_would_be_collected_again_is_refused(
    model: str, whole: tuple[Path, dict], tmp_path: Path
) -> None:
    data = str(whole[0] / "round_1" / "led")
    with pytest.raises(
        RolloutError, match=r"3 episodes with seeds .*first 2000000; they take 2000000 to 2000007"
    ):
        played(configured(model, tmp_path, data=data))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """Stages that do nothing; evaluations solve so many of 10 episodes of each of two tasks."""
    solved: dict[str, list[int]] = {}
    began: list[str] = []

    def evaluated(config: ImproveConfig, kind: str, policy: str, folder: Path) -> dict[str, Any]:
        arm, number = folder.parent.name.split("_")
        count = solved[f"{arm} {kind}"][int(number)]
        rows = []
        for task, successes in (("a", count), ("b", 10 - count if kind == "test" else count)):
            low, high = wilson(successes, 10)
            rows.append(dict(task=task, level="x", episodes=10, successes=successes, rate=successes / 10))
            rows[-1] |= {"low": low, "high": high}
        folder.mkdir(parents=True)
        episodes = [
            {"task": row["task"], "level": "x", "seed": seed, "success": seed < row["successes"]}
            for row in rows
            for seed in range(10)
        ]
        (folder / "result.json").write_text(json.dumps({"episodes": episodes}))
        return {"seeds": [0, 9], "errors": 0, "rows": [*rows, stages.together(rows)]}

    def trained(config: ImproveConfig, round: int, model: str, data: Any, folder: Path, draws: bool) -> dict:
        began.append(f"{'/'.join(Path(model).parts[-2:])} + {len(data)}")
        return {"steps": 1}

    monkeypatch.setattr(stages, "evaluated", evaluated)
    monkeypatch.setattr(stages, "trained", trained)
    monkeypatch.setattr(stages, "collected", lambda *_: {"seeds": [0, 0], "learned": 7})
    solved["began"] = began
    return solved


def test_worse_weights_are_undone_and_the_page_says_so(model: str, judged: dict, tmp_path: Path) -> None:
    judged |= {"round validation": [5, 3, 5, 6], "round test": [2, 9, 4, 7]}
    judged |= {"control validation": [0, 8, 1, 1], "control test": [0, 3, 1, 1]}
    record = played(configured(model, tmp_path, rounds=2))
    assert [each["kept"] for each in record["arms"]["improved"]] == [True, False, True]
    record = played(configured(model, tmp_path, rounds=3))  # more rounds go on
    rounds, control = record["arms"]["improved"], record["arms"]["control"]
    assert [each["kept"] for each in rounds] == [True, False, True, True], "as good is kept"
    assert [each["best"] for each in rounds] == ["start", "start", "round_2/train", "round_3/train"]
    assert [each["best"] for each in control] == ["start", *["control_1/train"] * 3]
    start = "/".join(Path(model).parts[-2:])
    assert judged["began"] == [
        *(f"{start} + 2", f"{start} + 4", f"{start} + 1", "control_1/train + 2"),
        *("round_2/train + 6", "control_1/train + 3"),
    ], "what was collected stays, whatever becomes of the weights"
    assert page.round_lines(record, "improved")[2:4] == [
        ["1", "+14", "no", "30.0%", "90.0%", "10.0%", "50.0%", "30 – 70"],
        ["2", "+14", "yes", "50.0%", "40.0%", "60.0%", "50.0%", "30 – 70"],
    ]
    assert page.compared_lines(record, "start")[1][:7] == [
        "a",
        "10",
        "20.0%",
        "70.0%",
        "+50.0 points",
        "0",
        "5",
    ]
    assert page.compared_lines(record, "control")[1][:4] == ["a", "10", "30.0%", "70.0%"]
    text = (tmp_path / "index.html").read_text()
    for number, count in enumerate(judged["round test"]):
        assert f"improved, round {number}: {count} of 10" in text
    panel = next(svg for svg in text.split("<svg")[1:] if ">a</text>" in svg)
    lines = re.findall(r'points="([^"]*)"', panel)
    heights = [[float(point.split(",")[1]) for point in line.split()] for line in lines]
    whole = (240 - 30 - 34) / 10
    for curve, best in zip(heights, ([2, 2, 4, 7], [2, 3, 3, 3]), strict=True):
        assert np.allclose([30 + whole * (10 - count) for count in best], curve, atol=0.06)
    assert panel.count('fill="none" stroke="#208c4e"><title>') == 1, "one is hollow"
    assert 'href="round_3/test/index.html"' in text and 'href="control_1/demonstrations/"' in text


def test_no_seed_is_used_twice(model: str, tmp_path: Path) -> None:
    config = configured(model, tmp_path, rounds=5, led=7, own=4)
    ranges = [*config.judged_seeds().values()]
    for number in range(1, 6):
        ranges += config.collected_seeds(number).values()
        assert all(end < 5_000_000 for _, end in config.collected_seeds(number).values())
        counts = [end - first for first, end in config.collected_seeds(number).values()]
        assert counts == [7, 4, 11], "the control gets as many"
    for (first, end), (other, last) in itertools.combinations(ranges, 2):
        assert end <= other or last <= first
    assert all(first >= 5_000_000 for first, _ in config.judged_seeds().values())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"led": 0, "own": 0}, "nothing to learn from"),
        ({"validation_seed": 5_000_002}, "share seeds"),
        ({"test_seed": 4_000_000}, "test_seed=4000000 may be trained on"),
        ({"collect_seed": 4_999_995}, "reaches seed 5000002"),
        ({"train": {"output": "x"}}, "train.output is the loop's own"),
        ({"train": {"decay_shaer": 1}}, "did you mean 'decay_share'"),
        ({"train": {"decay_share": 2}}, "decay_share must be at most 1"),
    ],
)
def test_words_that_cannot_be_are_refused(model: str, tmp_path: Path, changes: dict, said: str) -> None:
    with pytest.raises((RolloutError, TrainingError), match=said):
        configured(model, tmp_path, **changes)


def test_pictures_are_asked_of_models_that_draw(model: str, tmp_path: Path) -> None:
    config = configured(model, tmp_path, goal_share=0.25)
    assert not config.draws()
    (tmp_path / "drawing").mkdir()
    (tmp_path / "drawing" / "config.json").write_text('{"target_modalities": ["text", "image"]}')
    assert dataclasses.replace(config, policy=str(tmp_path / "drawing")).draws()
    shares = [config.training(1, "m", (), "o", draws).goal_share for draws in (False, True)]
    assert shares == [0, 0.25]


@pytest.mark.parametrize("task", ["rotate", "visual_manipulation"])
def test_the_expert_of_the_tabletop_finds_the_way_back(task: str, rendering: None) -> None:
    """After any wrong action that does not end the episode at once, its labels still solve the task."""
    tabletop = suite("vima")
    env = tabletop.make(task, "placement", expert=True, **tabletop.demonstration_options({}, None))
    outcomes = []
    for seed in range(8):
        observation, info = env.reset(seed=seed)
        body, rng = embodiments.of(info), np.random.default_rng(seed)
        astray = body.random_action(body.state(observation, info), rng)
        wrong = info["expert_action"] | {"pose1_position": astray["pose1_position"]}
        _, _, ended, over, info = env.step(wrong)
        lost = info["failure"]
        while not (ended or over):
            _, _, ended, over, info = env.step(info["expert_action"])
        outcomes.append("lost" if lost else "saved" if info["success"] else "not saved")
    env.close()
    assert outcomes.count("saved") >= 6 and "not saved" not in outcomes
