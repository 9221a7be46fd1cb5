"""`uio2 dataset`: what verify finds, what compact keeps, what a replay and an export say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretrain.sources import LeRobotSource, schema
from pretrain.sources.robots import RobotEpisodes
from pretrain.sources.schema import DatasetError
from rollouts.cli import main
from rollouts.collect import CollectConfig, collect
from rollouts.datasets import exports, push
from rollouts.datasets.compact import TOLERANCE, compact
from rollouts.datasets.stored import StoredSet
from rollouts.datasets.verify import verify
from tests.toys import TOY


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("collected") / "set"
    settings = {"env": TOY, "tasks": ("slide",), "policy": "tests.toys:ScriptedPolicy", "episodes": 5}
    collect(CollectConfig(output=str(root), env_kwargs={"expert": True}, **settings), progress=False)
    return root


@pytest.fixture
def copied(collected, tmp_path) -> Path:
    return shutil.copytree(collected, tmp_path / "copy")


def bytes_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def torn(root: Path) -> str:
    path = root / "data/chunk-000/file-002.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    return "file-002.parquet"


def missing(root: Path) -> str:
    (root / "data/chunk-000/file-001.parquet").unlink()
    return "file-001.parquet"


def flipped(root: Path) -> str:
    path = root / "data/chunk-000/file-003.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    return "file-003.parquet"


def miscounted(root: Path) -> str:
    path = root / schema.INFO_PATH
    path.write_text(path.read_text().replace('"total_frames": ', '"total_frames": 1'))
    return "total_frames is 1"


def misstated(root: Path) -> str:
    path = root / schema.STATS_PATH
    kept = json.loads(path.read_text())
    kept["action"]["mean"][0] += 0.5
    path.write_text(json.dumps(kept))
    return "mean of action"


def stray(root: Path) -> str:
    shutil.copy(root / "data/chunk-000/file-000.parquet", root / "data/chunk-000/file-900.parquet")
    return "file-900.parquet belongs to no episode"


def shifted(root: Path) -> str:
    path = root / "data/chunk-000/file-004.parquet"
    table = pq.read_table(path, partitioning=None)
    place = table.column_names.index("index")
    column = pq.read_table(path, partitioning=None)["index"].to_numpy() + 1
    pq.write_table(table.set_column(place, "index", [column]), path)
    return "index is"


@pytest.mark.parametrize("damage", [torn, missing, flipped, miscounted, misstated, stray, shifted])
def test_verify_names_what_is_wrong(damage, copied, capsys) -> None:
    said = damage(copied)
    assert main(["dataset", "verify", str(copied)]) == 1
    assert said in capsys.readouterr().out


def test_a_whole_set_is_whole_and_left_alone(collected) -> None:
    before = bytes_of(collected)
    assert verify(collected) == []
    assert main(["dataset", "verify", str(collected)]) == main(["dataset", "stats", str(collected)]) == 0
    assert bytes_of(collected) == before


def test_wrong_statistics_are_counted_anew(copied) -> None:
    misstated(copied)
    assert main(["dataset", "stats", str(copied)]) == 1
    assert main(["dataset", "stats", str(copied), "write=true"]) == 0
    assert verify(copied) == []


def rows_of(said: str) -> dict[int, list[str]]:
    """The cells of a printed table by the number in the first."""
    lines = ([cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines())
    return {int(cells[0]): cells for cells in lines if cells and cells[0].isdigit()}


def changed(root: Path, number: int) -> None:
    """Bring the thing elsewhere with the last action of an episode."""
    path = root / f"data/chunk-000/file-{number:03}.parquet"
    table = pq.read_table(path, partitioning=None)
    actions = table["action"].to_pylist()
    actions[-1][6] += 0.05  # pose1.x
    column = pa.array(actions, table.schema.field("action").type)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", column), path)


def test_a_replay_of_what_was_collected_is_the_same(collected, capsys) -> None:
    before = bytes_of(collected)
    assert main(["dataset", "replay", str(collected), "episodes=0"]) == 0
    said = capsys.readouterr().out
    assert "replayed 5 episodes: 5 the same, 0 differ" in said
    for (number, cells), record in zip(rows_of(said).items(), LeRobotSource(collected), strict=True):
        length = record.length
        assert cells[1:] == ["slide", str(record.seed), f"{length}/{length}", *"000", "True/True", "same"]
        assert number == record.index
    assert bytes_of(collected) == before


def test_a_replay_names_the_episode_whose_action_was_changed(copied, capsys) -> None:
    changed(copied, 2)
    assert main(["dataset", "replay", str(copied), "episodes=0"]) == 1
    said = capsys.readouterr().out
    assert "replayed 5 episodes: 4 the same, 1 differ" in said
    rows = rows_of(said)
    assert [number for number, cells in rows.items() if cells[-1] == "DIFFERS"] == [2]
    pixels, state, reward, success = rows[2][4:8]
    assert float(pixels) > 0 and (state, reward, success) == ("0", "1", "False/True")


def test_compact_keeps_every_byte_of_the_episodes(collected, tmp_path) -> None:
    before = bytes_of(collected)
    compact(collected, tmp_path / "small")
    assert bytes_of(collected) == before and verify(tmp_path / "small") == []
    assert len(list((tmp_path / "small/data").rglob("*.parquet"))) == 1
    for one, other in zip(LeRobotSource(collected), LeRobotSource(tmp_path / "small"), strict=True):
        assert one._rows.table.equals(other._rows.table)
        assert all(np.array_equal(one.final[view], other.final[view]) for view in one.final)
    with pytest.raises(DatasetError, match="holds files already"):
        compact(collected, tmp_path / "small")
    assert main(["dataset", "merge", str(tmp_path / "small"), f"output={tmp_path / 'no'}"]) == 2


def test_films_are_within_the_tolerance(collected, tmp_path) -> None:
    done = compact(collected, tmp_path / "films", video=True)
    assert 0 < done["difference"] <= TOLERANCE and verify(tmp_path / "films") == []
    robots = RobotEpisodes("films", tmp_path / "films")
    for one, other in zip(LeRobotSource(collected), robots, strict=True):
        assert np.array_equal(one.actions, other.actions)
        for frame, film in zip(one.frames["top"], other.frames["observation.images.top"], strict=True):
            assert np.abs(frame.astype(int) - film).mean() <= TOLERANCE


@pytest.mark.parametrize("video", [False, True])
def test_lerobot_21_holds_the_same_episodes(video, collected, tmp_path) -> None:
    exports.export(StoredSet(collected), "lerobot21", tmp_path / "old", video=video)
    assert verify(tmp_path / "old") == []
    for one, other in zip(LeRobotSource(collected), RobotEpisodes("old", tmp_path / "old"), strict=True):
        assert np.array_equal(one.actions, other.actions) and one.instruction == other.instruction
    slices = json.loads((tmp_path / "old/meta/modality.json").read_text())["action"]
    assert max(part["end"] for part in slices.values()) == 12


def test_rlds_steps_end_with_the_last_picture(collected, tmp_path) -> None:
    exports.export(StoredSet(collected), "rlds", tmp_path / "rlds")
    steps = pq.read_table(tmp_path / "rlds/steps").to_pydict()
    source = LeRobotSource(collected)
    assert len(steps["is_last"]) == sum(record.length + 1 for record in source)
    assert sum(steps["is_first"]) == sum(steps["is_last"]) == len(source)


def test_robomimic_holds_the_same_numbers(collected, tmp_path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra export is not installed")
    exports.export(StoredSet(collected), "robomimic", tmp_path / "mimic")
    with h5py.File(tmp_path / "mimic/demo.hdf5") as file:
        for record in LeRobotSource(collected):
            demo = file[f"data/demo_{record.index}"]
            assert np.array_equal(demo["actions"], record.actions)
            assert np.array_equal(demo["obs/top_image"], np.asarray(record.frames["top"]))


def test_a_missing_package_is_one_line(collected, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DatasetError, match=r"pip install 'uio2-agent\[export\]'"):
        exports.export(StoredSet(collected), "robomimic", tmp_path / "mimic")


def test_the_card_has_a_licence_and_pictures(copied) -> None:
    assert main(["dataset", "card", str(copied), "license=cc-by-4.0"]) == 0
    text = (copied / "README.md").read_text()
    assert text.startswith("---\nlicense: cc-by-4.0\n") and (copied / "assets/frames.png").exists()


def test_push_sends_what_is_whole(copied, tmp_path, monkeypatch) -> None:
    calls = []

    class Api:
        def create_repo(self, repo, **options):
            calls.append(("repo", repo, options["private"]))
            return f"hub/{repo}"

        def upload_folder(self, folder_path, ignore_patterns, **options):
            shutil.copytree(folder_path, tmp_path / "hub", ignore=shutil.ignore_patterns(*ignore_patterns))

        def create_tag(self, repo, tag, **options):
            calls.append(("tag", tag))

    hub = type("Hub", (), {"HfApi": Api})
    monkeypatch.setattr(push, "extra", lambda *_: hub)
    assert push.push(copied, "me/set", True, None) == "hub/me/set"
    assert calls == [("repo", "me/set", True), ("tag", "v3.0")] and verify(tmp_path / "hub") == []
    missing(copied)
    with pytest.raises(DatasetError, match="uio2 dataset verify"):
        push.push(copied, "me/set", True, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verfy", "."], "there is no action 'verfy' (did you mean 'verify'?)"),
        (["verify", "nowhere"], "nowhere is no directory"),
        (["export", "."], "needs to="),
        (["export", ".", "to=rlsd", "output=x"], "there is no format 'rlsd'"),
        (["compact", "."], "needs output="),
        (["push", ".", "repo=x"], "write owner/name"),
        (["verify", "[a,b]"], "verify takes one folder"),
    ],
)
def test_mistakes_are_told(words, said, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", *words]) == 2
    assert said in capsys.readouterr().err
