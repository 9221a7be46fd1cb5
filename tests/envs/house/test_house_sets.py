"""Many houses: files of lines, splits, and ProcTHOR-10K through a stand-in of `prior`."""

import gzip
import itertools
import json
import sys
from pathlib import Path

import pytest

from envs.errors import EnvError
from envs.house.errors import HouseError
from envs.house.generator import generate_house
from envs.house.schema import lines
from envs.house.schema.lines import HouseLines
from envs.house.tasks.houses import chosen, files_of

STAND_IN = Path(__file__).parents[2] / "doubles" / "prior_stand_in"
SPECS = ("bedroom", "kitchen-living-room", "4-room")
ROOMS = {"bedroom": 1, "kitchen-living-room": 2, "4-room": 4}


@pytest.fixture(scope="module")
def houses() -> list[dict]:
    """Twelve houses of 1, 2 and 4 rooms in turn, each with a mark of its own."""
    made = {spec: generate_house(3, spec).json for spec in SPECS}
    found = []
    for number, spec in zip(range(12), itertools.cycle(SPECS)):
        house = json.loads(json.dumps(made[spec]))
        house["metadata"]["mark"] = number
        found.append(house)
    return found


def mark(house) -> int:
    return house.json["metadata"]["mark"]


def write(path: Path, houses: list[dict], end: str = "\n") -> Path:
    content = "".join(json.dumps(house) + end for house in houses).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["many.jsonl", "many.jsonl.gz"])
def test_each_line_is_read_by_itself(tmp_path, houses, name, monkeypatch):
    """In any order, from small blocks too; `json` reads the same lines."""
    monkeypatch.setattr(lines, "_BLOCK", 1000)
    monkeypatch.setattr(lines, "_APART", 50_000)
    monkeypatch.setattr(lines, "_READ", 300)
    found = HouseLines(write(tmp_path / name, houses, "\n\n"))
    assert len(found) == 12 and [found.rooms(i) for i in range(12)] == [1, 2, 4] * 4
    for place in (11, 0, 5, 11, 3):
        assert found.house(place).json == houses[place]
        assert len(found.house(place).rooms) == found.rooms(place)
    assert len(found._states) > 3 or not name.endswith("gz")


def test_gzip_of_several_members_is_one_file(tmp_path, houses):
    parts = [gzip.compress(json.dumps(house).encode() + b"\n") for house in houses]
    (tmp_path / "parts.jsonl.gz").write_bytes(b"".join(parts) + b"\0" * 512)
    found = HouseLines(tmp_path / "parts.jsonl.gz")
    assert [mark(found.house(place)) for place in range(12)] == list(range(12))


def test_ten_thousand_lines_are_not_held(tmp_path, houses):
    """6 MB a thousand houses as text; what is kept of them is small."""
    import tracemalloc

    path = write(tmp_path / "train.jsonl.gz", houses * 30)
    text = sum(len(json.dumps(house)) for house in houses) * 30
    tracemalloc.start()
    found = HouseLines(path)
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 360 and text > 5_000_000
    assert now < 0.1 * text and peak < 0.7 * text + 6_000_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 53300000\n", "git lfs pull"),
        (b"{}\n", "not gzip"),
        (gzip.compress(b'{"rooms": []}\n' * 999)[:-30], "ends in the middle"),
        (gzip.compress(b'{"rooms": []}\n')[:12] + b"\xff" * 40, "cannot be read"),
    ],
    ids=["a pointer of git-lfs", "plain text", "cut off", "noise"],
)
def test_broken_files_are_named(tmp_path, content, said):
    (tmp_path / "train.jsonl.gz").write_bytes(content)
    with pytest.raises(HouseError, match=rf"train\.jsonl\.gz: .*{said}"):
        HouseLines(tmp_path / "train.jsonl.gz")


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path, houses):
    path = write(tmp_path / "some.jsonl", houses[:2])
    path.write_bytes(path.read_bytes() + b'{"rooms": [NaN]}\n')
    assert mark(chosen(str(path), 1, None)) == 1
    with pytest.raises(HouseError, match=r"some\.jsonl, line 3: holds NaN"):
        chosen(str(path), 2, None)


def test_seeds_go_round_the_houses_of_a_level(tmp_path, houses):
    path = str(write(tmp_path / "many.jsonl", houses))
    assert [mark(chosen(path, seed, None)) for seed in range(14)] == [*range(12), 0, 1]
    small = [number for number in range(12) if number % 3 < 2]
    assert [mark(chosen(path, seed, "small")) for seed in range(9)] == [*small, small[0]]
    assert [mark(chosen(path, seed, "medium")) for seed in range(5)] == [2, 5, 8, 11, 2]
    with pytest.raises(EnvError, match="none has 6 to 20 rooms, as level=large wants"):
        chosen(path, 0, "large")


@pytest.fixture
def splits(tmp_path, houses) -> Path:
    """Marks 0 to 5 train, 6 to 8 val, 9 to 11 test."""
    folder = tmp_path / "remote"
    folder.mkdir()
    for name, part in (("train", houses[:6]), ("val", houses[6:9]), ("test", houses[9:])):
        write(folder / f"{name}.jsonl.gz", part)
    return folder


def played(path: str, first: int, count: int = 12) -> list[int]:
    return [mark(chosen(path, first + i, None)) for i in range(count)]


def test_held_out_seeds_play_held_out_houses(splits):
    assert set(played(str(splits), 0)) == set(range(6))
    assert sorted(played(str(splits), 5_000_000, 6)) == [6, 7, 8, 9, 10, 11]
    assert mark(chosen(str(splits), 4_999_999, None, attempt=5)) < 6, "a second try stays in its split"
    (splits / "train.jsonl.gz").rename(splits / "mine.jsonl.gz")
    assert set(played(str(splits), 0)) == set(range(12)), "no splits: all there is"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "prior", raising=False)
    return tmp_path


def test_procthor_10k_comes_through_prior_once(splits, home, monkeypatch, capsys):
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.setenv("PRIOR_STAND_IN_REMOTE", str(splits))
    assert set(played("procthor-10k", 0)) == set(range(6))
    assert set(played("procthor-10k", 5_000_000)) == set(range(6, 12))
    for name, marks in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        for first in (0, 5_000_000):
            assert set(played(f"procthor-10k:{name}", first)) == set(marks)
    assert sys.modules["prior"].calls == [("procthor-10k", None, "allenai")]
    assert Path.cwd() == home and "Downloading" not in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "prior")
    monkeypatch.setitem(sys.modules, "prior", None)
    assert set(played("procthor-10k:val", 0)) == {6, 7, 8}, "what was fetched is there without prior"


def test_without_prior_or_network_it_is_said_what_to_do(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "prior", None)
    with pytest.raises(
        EnvError, match=r"pip install prior.*git-lfs.*network.*train\.jsonl\.gz.*houses=FOLDER"
    ):
        chosen("procthor-10k", 0, None)
    monkeypatch.delitem(sys.modules, "prior")
    monkeypatch.syspath_prepend(STAND_IN)
    monkeypatch.delenv("PRIOR_STAND_IN_REMOTE", raising=False)
    with pytest.raises(EnvError, match=r"status code: 429.*git-lfs and the network.*houses=FOLDER"):
        chosen("procthor-10k:train", 0, None)
    assert Path.cwd() == home
    with pytest.raises(EnvError, match=r"unknown split of procthor-10k 'valid'.*val"):
        chosen("procthor-10k:valid", 0, None)
    with pytest.raises(HouseError, match="no such file or folder, and no data set but procthor-10k"):
        chosen("procthor-1k", 0, None)


def test_a_folder_of_that_name_comes_first(home, houses):
    (home / "procthor-10k").mkdir()
    write(home / "procthor-10k" / "mine.jsonl", houses[:1])
    assert [file.name for file in files_of("procthor-10k", held_out=False)] == ["mine.jsonl"]
