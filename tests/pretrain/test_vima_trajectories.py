"""VIMA's published layout, written here as they did (with pickles of a package that is gone afterwards), is
read back as it was; hostile, damaged and incomplete files are one clear error, and nothing of them runs.
"""

import functools
import os
import pickle
import sys
import types
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from policies.embodiments.tabletop_places import quaternion_of
from policies.embodiments.vima import VIMA
from policies.prompts import boxes_target, sizes_of
from pretrain.examples import ExampleOptions, make_example
from pretrain.sources import inert_pickle
from pretrain.sources.schema import DatasetError
from pretrain.sources.vima_trajectories import VimaEpisode, VimaTrajectories

TASK, SEED, ACTIONS = "visual_manipulation", 42, 2

STYLE = VIMA.style(small=True)
PACKAGES = ("vimasim", "vima_bench")


@pytest.fixture
def vimasim() -> Any:
    """The old package, as long as files are written."""
    package = types.ModuleType("vimasim")
    tasks = types.ModuleType("vimasim.tasks")
    exec(
        "from collections import namedtuple\nfrom enum import Enum\n"
        "SizeRange = namedtuple('SizeRange', 'low high')\n"
        "class Profile(Enum):\n    ROUND = 1\n"
        "class Entry:\n    def __init__(self, name): self.name = name\n"
        "class Table(dict): pass\n"
        "def replace(text, keys): raise AssertionError('code of the pickle was run')\n",
        tasks.__dict__,
    )
    sys.modules |= {"vimasim": package, "vimasim.tasks": tasks}
    yield tasks
    for name in ("vimasim", "vimasim.tasks"):
        sys.modules.pop(name, None)


def pictures(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*shape, 128, 256), np.uint8)


def scene(step: int) -> dict[str, np.ndarray]:
    """Object 5 moves along, object 7 stays where (row 64, column 128) is the middle of the table."""
    ids = np.zeros((128, 256), np.uint8)
    ids[60:68, 124:132] = 7
    ids[20:30, 40 + 50 * step : 52 + 50 * step] = 5
    return {"front": np.roll(ids, 10, axis=0), "top": ids}


def asset(seed: int, kind: str) -> dict[str, Any]:
    info = {"obj_id": 0, "obj_name": "block", "obj_color": "red"}
    return {
        "rgb": {view: pictures(seed, 3) for view in ("front", "top")},
        "segm": {**scene(0), "obj_info": info if kind == "object" else [info, info]},
        "placeholder_type": kind,
    }


def pieces(tasks: Any) -> dict[str, Any]:
    """What the three files hold."""
    positions = np.linspace(0.3, 0.48, 2 * ACTIONS, dtype=np.float32).reshape(ACTIONS, 2)
    turns = np.stack([quaternion_of(angle) for angle in (0.0, 1.0)])
    about = {
        "obj_size_range": tasks.SizeRange(0.1, 0.2),
        "obj_profile": tasks.Profile.ROUND,
        "obj_replace_fn": functools.partial(tasks.replace, keys=["a"]),
        "obj_table": tasks.Table(a=1),
        "obj_entry": tasks.Entry("block"),
    }
    return {
        "obs.pkl": {
            "segm": {
                view: np.stack([scene(i)[view] for i in range(ACTIONS + 1)]) for view in ("front", "top")
            },
            "ee": np.zeros(ACTIONS + 1, np.int64),
        },
        "action.pkl": {
            "pose0_position": positions,
            "pose0_rotation": turns,
            "pose1_position": positions[::-1].copy(),
            "pose1_rotation": turns,
        },
        "trajectory.pkl": {
            "seed": np.int64(SEED),
            "n_objects": 2,
            "obj_id_to_info": {
                5: {"obj_name": "block", "texture_name": "red", **about},
                7: {"obj_name": "bowl", "texture_name": "tiger", **about},
            },
            "prompt": "Put the {dragged_obj_1} as in {scene}.",
            "prompt_assets": {"dragged_obj_1": asset(1, "object"), "scene": asset(2, "scene")},
            "steps": ACTIONS,
            "success": True,
            "failure": False,
        },
    }


def write(root: Path, index: int, parts: dict[str, Any], protocol: int = 4) -> Path:
    episode = root / TASK / f"{index:06d}"
    for view in ("front", "top"):
        (episode / f"rgb_{view}").mkdir(parents=True)
        for number in range(ACTIONS + 1):
            smooth = np.full((128, 256, 3), 40 * number + 10, np.uint8)  # a picture that JPEG keeps
            Image.fromarray(smooth).save(episode / f"rgb_{view}" / f"{number}.jpg", quality=95)
    for name, content in parts.items():
        (episode / name).write_bytes(pickle.dumps(content, protocol))
    return episode


@pytest.fixture
def episode(tmp_path: Path, vimasim: Any) -> Path:
    place = write(tmp_path / "data", 3, pieces(vimasim))
    for name in ("vimasim", "vimasim.tasks"):
        del sys.modules[name]
    return place


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_episode_is_read_as_it_was_written(tmp_path: Path, vimasim: Any, protocol: int) -> None:
    parts = pieces(vimasim)
    for index in (7, 1):
        write(tmp_path, index, parts, protocol)
    for name in ("vimasim", "vimasim.tasks"):
        del sys.modules[name]
    source = VimaTrajectories(tmp_path)
    assert (
        [(e.task, e.index) for e in source]
        == [(TASK, 1), (TASK, 7)]
        == [(e.task, e.index) for e in VimaTrajectories(tmp_path / TASK)]
    )
    read, told, done = source[0], parts["trajectory.pkl"], parts["action.pkl"]
    assert (read.seed, read.level, read.status, read.length) == (SEED, "train", "success", ACTIONS)
    assert (read.prompt, read.embodiment, read.tokens) == (told["prompt"], "vima", [None] * ACTIONS)
    assert read.states.tolist() == [[1.0, 0.0]] * ACTIONS
    for name, wanted in told["prompt_assets"].items():
        for view in ("front", "top"):
            assert np.array_equal(read.prompt_assets[name]["rgb"][view], wanted["rgb"][view])
            assert np.array_equal(read.prompt_assets[name]["segm"][view], wanted["segm"][view])
        assert read.prompt_assets[name]["segm"]["obj_info"] == wanted["segm"]["obj_info"]
    for column, part in ((slice(0, 2), "pose0_position"), (slice(8, 12), "pose1_rotation")):
        assert np.array_equal(read.actions[:, column], done[part])
    for view in ("front", "top"):
        assert read.frames[view].shape == (ACTIONS, 128, 256, 3)
        assert [int(frame.mean().round()) for frame in read.frames[view]] == [10, 50]
        assert int(read.final[view].mean().round()) == 90
    steps = VIMA.parse(" ".join(read.action_texts))
    assert [step.number for step in steps] == [0, 1]
    for step, position in zip(steps, done["pose1_position"], strict=True):
        assert np.abs(step.action["pose1_position"] - position).max() < 1e-3  # one bin
    assert "vimasim" not in sys.modules


def test_objects_are_where_the_camera_above_sees_them(episode: Path) -> None:
    read = VimaEpisode(episode)
    for number, things in enumerate([*read.objects, read.final_objects]):
        block, bowl = things
        assert (block["name"], block["texture"], bowl["name"]) == ("block", "red", "bowl")
        assert block["boxes"]["top"] == [20, 40 + 50 * number, 29, 51 + 50 * number]
        assert np.allclose(bowl["position"], [0.5, 0, 0])
        # 250.98 pixels to a metre (VIMA-Bench's camera): columns grow with y, rows with x.
        assert np.allclose(block["position"], [0.5 - 39 / 250.98, (50 * number - 82) / 250.98, 0])


def test_it_trains_as_our_own_episodes_do(episode: Path) -> None:
    read, rng = pickle.loads(pickle.dumps(VimaEpisode(episode))), np.random.default_rng(0)
    for kind in ("plan", "boxes"):
        for _ in range(8):
            example = make_example(read, kind, {"vima": STYLE}, ExampleOptions(), rng)
            if kind == "boxes":
                assert example.target == boxes_target(
                    VIMA, example.moment.objects, STYLE, sizes_of(example.moment.views)
                )
                assert "red block" in example.target and "tiger bowl" in example.target
            else:
                assert VIMA.parse(example.target)
                assert len(example.request.image_history) >= 2


class Hostile:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("name", ["trajectory.pkl", "obs.pkl", "action.pkl"])
def test_a_hostile_pickle_is_refused_and_not_run(episode: Path, tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    (episode / name).write_bytes(pickle.dumps({"segm": 1, "x": Hostile(os.system, f"touch {trace}")}))
    with pytest.raises(DatasetError, match=rf"{name} names (posix|nt)\.system, which is neither") as raised:
        _ = VimaEpisode(episode).objects
    assert not trace.exists() and "\n" not in str(raised.value) and str(episode) in str(raised.value)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (Hostile(eval, "1"), "builtins.eval"),
        (Hostile(getattr, "", "join"), "builtins.getattr"),
        (Hostile(np.load, "x"), "numpy.load"),
        (namedtuple, "collections.namedtuple"),
        (Path("x"), "pathlib"),
        (b"cvimasimulator\nrun\n.", "vimasimulator.run"),
        (b"cfunctools\nreduce\n.", "functools.reduce"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0bndarray.fly\x93.", "numpy.ndarray.fly"),
    ],
    ids=["eval", "getattr", "load", "namedtuple", "path", "module", "function", "attribute"],
)
def test_only_the_list_is_known(tmp_path: Path, content: Any, named: str) -> None:
    path = tmp_path / "probe.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    with pytest.raises(DatasetError, match=f"names {named}"):
        inert_pickle.load(path, PACKAGES)


def array_of(shape: tuple[int, ...], dtype: Any, content: Any) -> Hostile:
    """An array whose state is made up."""
    rebuild, arguments, _ = np.zeros(1).__reduce__()
    return _WithState(rebuild, arguments, (1, shape, dtype, False, content))


class _WithState:
    def __init__(self, *parts: Any):
        self.parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        return self.parts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (array_of((1000,), np.dtype("f8"), b"\0" * 8), "has 8 bytes"),
        (array_of((-1,), np.dtype("f8"), b""), "has 0 bytes"),
        (array_of((1,), np.dtype("O"), b"\x10" * 8), "only numbers and text"),
        (np.array([None, {}], object), "only numbers and text"),
        (np.zeros(2, [("a", "O"), ("b", "i4")]), "only numbers and text"),
        (np.zeros(2, "M8[s]"), "only numbers and text"),
    ],
    ids=range(6),
)
def test_arrays_that_lie_about_memory_are_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "array.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DatasetError, match=said):
        inert_pickle.load(path, PACKAGES)


@pytest.mark.parametrize("protocol", [2, 5])
def test_arrays_of_every_kind_come_back(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    for dtype in ("?", "u1", "<i2", ">i4", "i8", "f2", ">f4", "f8", "c8", "S3", "U4"):
        array = rng.integers(0, 9, (3, 4)).astype(dtype)
        for written in (array, array.T, array[::2], array[0, 0], array[:0]):
            path = tmp_path / "array.pkl"
            path.write_bytes(pickle.dumps(written, protocol))
            read = inert_pickle.load(path, PACKAGES)
            assert np.array_equal(read, written) and np.shape(read) == np.shape(written)


def test_a_pickle_cannot_change_what_reads_the_next(tmp_path: Path) -> None:
    """State put on a function or a record's class is an error, and ordinary arrays are read as before."""
    path = tmp_path / "state.pkl"
    for name in (b"numpy\ndtype", b"numpy.core.multiarray\n_reconstruct", b"vimasim.a\nB"):
        path.write_bytes(b"c" + name + b"\n(N}(S'_call'\nI1\nsS'arguments'\nI2\nsutb.")
        with pytest.raises(DatasetError, match="no whole pickle"):
            inert_pickle.load(path, PACKAGES)
    path.write_bytes(pickle.dumps(np.arange(3.0)))
    assert inert_pickle.load(path, PACKAGES).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["trajectory.pkl", "obs.pkl", "action.pkl"])
def test_damaged_and_absent_files_are_named(episode: Path, name: str) -> None:
    whole = (episode / name).read_bytes()
    for content in (
        b"",
        whole[: len(whole) // 2],
        whole[:-3],
        b"not a pickle",
        pickle.dumps([1]),
        pickle.dumps({}),
    ):
        (episode / name).write_bytes(content)
        with pytest.raises(DatasetError, match=rf"{episode / name} (is no|holds)"):
            _ = VimaEpisode(episode).final_objects
    (episode / name).unlink()
    with pytest.raises(DatasetError, match=rf"cannot read {episode / name}"):
        _ = VimaEpisode(episode).final_objects


def test_missing_and_damaged_frames_are_named(episode: Path) -> None:
    frame = episode / "rgb_top" / f"{ACTIONS}.jpg"
    content = frame.read_bytes()
    frame.write_bytes(content[:200])
    with pytest.raises(DatasetError, match=f"cannot read {frame}"):
        _ = VimaEpisode(episode).final
    Image.new("RGB", (64, 64)).save(frame)
    with pytest.raises(DatasetError, match=r"has \(64, 64\) pixels"):
        _ = VimaEpisode(episode).final
    frame.unlink()
    with pytest.raises(DatasetError, match=rf"{frame} is missing: 2 actions have 3 frames"):
        VimaEpisode(episode)


def test_contradictions_inside_an_episode_are_named(tmp_path: Path, vimasim: Any) -> None:
    def broken(change: Any, said: str) -> None:
        parts = pieces(vimasim)
        change(parts)
        place = write(tmp_path / said.replace(" ", "_")[:12], 0, parts)
        with pytest.raises(DatasetError, match=said):
            _ = VimaEpisode(place).objects

    broken(
        lambda p: p["action.pkl"].update(pose1_rotation=np.zeros((2, 3))),
        r"pose1_rotation is float64 \(2, 3\)",
    )
    broken(lambda p: p["obs.pkl"].update(ee=np.zeros(2, int)), r"ee is int64 \(2,\)")
    broken(lambda p: p["obs.pkl"]["segm"].pop("top"), "segm has no 'top'")
    broken(lambda p: p["trajectory.pkl"]["prompt_assets"].pop("scene"), "its prompt shows")
    broken(lambda p: p["trajectory.pkl"]["prompt_assets"]["scene"].pop("rgb"), "asset scene lacks 'rgb'")
    broken(lambda p: p["trajectory.pkl"].pop("obj_id_to_info"), "it has no obj_id_to_info")


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no trajectories of VIMA's"):
        VimaTrajectories(tmp_path)
