"""UIO-2's variants of a demonstration: names for pictures, boxes in and out, in the data, in training and in
acting alike; and the tasks of a collection.
"""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from envs.vima.levels import TASK_LEVELS
from policies import Step, UnifiedIO2Policy
from policies.embodiments.vima import VIMA, state_of
from policies.moment import Moment
from policies.prompts import named_prompt
from policies.style import PromptStyle
from pretrain.examples import plan_example
from pretrain.moments import moment
from pretrain.sources import LeRobotSource, schema
from pretrain.sources.schema import DatasetError
from rollouts.collect import CollectConfig, collect
from rollouts.datasets.merge import merge
from rollouts.errors import RolloutError
from rollouts.worklist import one_level
from tests.policies.test_policies import ScriptedModel
from tests.rollouts.test_dataset import configuration
from tests.toys import ToyEnv
from uio2_agent.errors import UIO2Error

STYLES = [dataclasses.replace(VIMA.style(small), object_boxes=True) for small in (False, True)]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("collected")
    collect(configuration(root, episodes=3), progress=False)
    return root


def location_tokens(box: list[int]) -> str:
    """What the top view's box is in the picture of front over top, 256 rows and columns, by hand."""
    edges = [128 + box[0], box[1], 128 + box[2] + 1, box[3] + 1]
    return " ".join(f"<extra_id_{200 + int(999 * edge / 256 + 2e-4)}>" for edge in edges)


def test_columns_hold_the_named_prompt_and_the_boxes(collected: Path) -> None:
    for record in LeRobotSource(collected):
        place = schema.place(record.index)
        frames = pq.read_table(collected / schema.DATA_PATH.format(**place)).to_pylist()
        (episode,) = pq.read_table(collected / schema.EPISODES_PATH.format(**place)).to_pylist()
        shown = {thing["name"]: thing["texture"] for thing in record.objects[0]}
        words = f"Put the {shown['square']} square onto the {shown['target']} target in {{scene}}."
        assert episode["named_prompt"] == words
        for frame, things in zip(frames, record.objects, strict=True):
            seen = [thing for thing in things if thing["boxes"]["top"]]
            expected = {
                f"{location_tokens(thing['boxes']['top'])} {thing['texture']} {thing['name']}"
                for thing in seen
            }
            parts = re.split(r" (?=<extra_id_\d+> <extra_id_\d+> <extra_id_\d+> <)", frame["scene.boxes"])
            assert set(parts) == expected and len(parts) == len(seen) > 0


def test_scenes_stay_in_a_named_prompt_and_braces_of_others_are_errors() -> None:
    env = ToyEnv()
    info = env.reset(seed=4)[1]
    assert named_prompt("Like {scene}.", info["prompt_assets"]) == "Like {scene}."
    with pytest.raises(KeyError):
        named_prompt("Put {nothing}.", info["prompt_assets"])


@pytest.mark.parametrize("style", STYLES, ids=["paper", "short"])
def test_acting_and_training_tell_the_same_boxes(collected: Path, style: PromptStyle) -> None:
    """The request of a policy at reset is the one its training example shows, boxes and all."""
    record = LeRobotSource(collected)[1]
    example = plan_example(moment(record, 0, VIMA.cameras), VIMA, style)
    env = ToyEnv()
    observation, info = env.reset(seed=record.seed)
    asked: list[Any] = []

    class Listening(ScriptedModel):
        def generate(self, requests: list, **rest: Any) -> list:
            asked.extend(requests)
            return super().generate(requests, **rest)

    policy = UnifiedIO2Policy(Listening(), style)
    policy.reset(0, observation, info)
    policy.act([Step(0, observation, info)])
    assert asked[0].text == example.request.text
    told = len(re.findall(r"<extra_id_", asked[0].text))
    assert told == 4 * len(record.objects[0])
    plain = plan_example(
        moment(record, 0, VIMA.cameras), VIMA, dataclasses.replace(style, object_boxes=False)
    )
    assert "<extra_id_" not in plain.request.text and asked[0].text.startswith(plain.request.text)
    assert np.array_equal(asked[0].image, plain.request.image)


def test_a_style_that_tells_boxes_wants_objects() -> None:
    views = {view: np.zeros((128, 256, 3), np.uint8) for view in VIMA.cameras}
    now = Moment(task="", prompt="Go.", prompt_assets={}, state=state_of(0), views=views)
    with pytest.raises(UIO2Error, match="hand in the moment's objects"):
        VIMA.request(now, STYLES[0])


def test_sets_of_another_format_are_read_but_not_mixed(collected: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    collect(configuration(old, episodes=3), progress=False)
    path = old / schema.PROVENANCE_PATH
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    with pytest.raises(DatasetError, match=r"format 1, this program writes 5.*another output="):
        collect(configuration(old, episodes=4), progress=False)
    with pytest.raises(DatasetError, match="not continued or merged"):
        merge([old, collected], tmp_path / "both")
    assert [record.seed for record in LeRobotSource(old)] == [0, 1, 2]


def test_sets_with_the_former_names_of_texts_are_read(collected: Path, tmp_path: Path) -> None:
    """To format 4 they began with `observation.`, which LeRobot's trainers take for numbers."""
    old = tmp_path / "old"
    shutil.copytree(collected, old)
    for path in (old / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        assert not any(name in schema.OLDER_NAMES for name in table.column_names)
        former = {now: name for name, now in schema.OLDER_NAMES.items()}
        pq.write_table(table.rename_columns([former.get(n, n) for n in table.column_names]), path)
    for before, now in zip(LeRobotSource(old), LeRobotSource(collected), strict=True):
        assert before.objects == now.objects and now.objects[0]


def test_level_train_is_the_thirteen_tasks_that_are_trained_on(tmp_path: Path) -> None:
    thirteen = {task for task, held in TASK_LEVELS.items() if "novel_task" not in held}
    level, tasks = one_level("vima", "all", "train")
    assert level == "train" and set(tasks) == thirteen and len(tasks) == 13
    config = CollectConfig(output=str(tmp_path), level="train", episodes=26)
    assert {item.task for item in config.work()} == thirteen and {item.level for item in config.work()} == {
        "train"
    }
    assert one_level("vima", ["rotate"], "train") == ("train", ("rotate",))
    with pytest.raises(RolloutError, match="same_texture, which exists at novel_task"):
        one_level("vima", ["rotate", "same_texture"], "train")
