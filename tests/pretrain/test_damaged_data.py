"""Damaged datasets: `uio2 train`, `uio2 inspect` and merging say the same line, with the file in it."""

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretrain.sources import DatasetError, LeRobotSource
from rollouts.cli import main
from rollouts.datasets.encoding import png
from rollouts.datasets.merge import merge
from tests.pretrain.test_train import collect

DATA = "data/chunk-000/file-002.parquet"
TOP = "observation.images.top"
INDEX = "meta/uio2_episodes.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(collect(tmp_path_factory.mktemp("whole") / "set", seed=0, episodes=4))


def rewrite(root: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    table = pq.ParquetFile(root / DATA).read()
    pq.write_table(change(table), root / DATA)


def column(root: Path, key: str, change: Callable[[list], object], kind: pa.DataType | None = None) -> None:
    def changed(table: pa.Table) -> pa.Table:
        values = table[key].to_pylist()
        change(values)
        place = table.column_names.index(key)
        return table.set_column(place, key, pa.array(values, kind or table.schema.field(key).type))

    rewrite(root, changed)


def index(root: Path, **changes: object) -> None:
    lines = (root / INDEX).read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), **changes})
    (root / INDEX).write_text("\n".join(lines) + "\n")


def frame(content: bytes) -> Callable[[Path], None]:
    return lambda root: column(root, TOP, lambda values: values[0].update(bytes=content))


def cut(root: Path, name: str = DATA) -> None:
    (root / name).write_bytes((root / name).read_bytes()[:-200])


def flipped(root: Path) -> None:
    """One bit of the pixels, which a decoder does not notice."""

    def flip(values: list) -> None:
        content = bytearray(values[0]["bytes"])
        content[-30] ^= 1
        values[0]["bytes"] = bytes(content)

    column(root, TOP, flip)


ROW = rf"{DATA} \(episode 2\)"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (lambda root: (root / DATA).unlink(), f"cannot read .*{DATA}: No such file"),
    "cut": (cut, f"cannot read .*{DATA}"),
    "no parquet": (lambda root: (root / DATA).write_bytes(b"\0" * 999), f"cannot read .*{DATA}"),
    "no column": (
        lambda root: rewrite(root, lambda t: t.drop_columns("action.text")),
        "no column action.text",
    ),
    "dtype": (
        lambda root: column(root, "observation.state", lambda v: None, pa.list_(pa.float64(), 2)),
        f"{ROW} has fixed_size_list.*double.* in column observation.state",
    ),
    "null": (
        lambda root: column(root, "action.text", lambda v: v.__setitem__(0, None)),
        f"{ROW} has nothing in some rows of column action.text",
    ),
    "frames": (lambda root: rewrite(root, lambda t: t.slice(1)), f"{ROW} has . frames, the index says ."),
    "another": (
        lambda root: shutil.copy(root / DATA.replace("002", "000"), root / DATA),
        f"{ROW} (holds the frames of another episode|has . frames)",
    ),
    "broken picture": (frame(b"\x89PNG\r\n\x1a\nrubbish"), f"{ROW}, frame 0 of {TOP} is no whole picture"),
    "no picture": (frame(b""), f"{ROW}, frame 0 of {TOP} is no whole picture"),
    "null picture": (
        lambda root: column(root, TOP, lambda values: values[0].update(bytes=None)),
        f"{ROW}, frame 0 of {TOP} is no whole picture",
    ),
    "flipped": (flipped, f"{ROW}, frame 0 of {TOP} is no whole picture"),
    "size": (
        frame(png(np.zeros((64, 128, 3), np.uint8))),
        rf"{ROW}, frame 0 of {TOP} has \(64, 128\) pixels, not \(128, 256\)",
    ),
    "infinite": (
        lambda root: column(root, "observation.state", lambda v: v.__setitem__(0, [np.nan, 0.0])),
        f"{ROW}, frame 0: number 0 of observation.state is nan",
    ),
    "objects": (
        lambda root: column(root, "scene.objects", lambda v: v.__setitem__(0, "[{}]")),
        f"{ROW}, frame 0 tells no objects",
    ),
    "index beyond": (lambda root: index(root, length=99), f"{ROW} has . frames, the index says 99"),
    "index rank": (lambda root: index(root, episode_index=7), f"{INDEX} does not count"),
    "index type": (lambda root: index(root, seed="2"), f"{INDEX}, line 3 cannot be read.*seed is '2'"),
    "index rubbish": (
        lambda root: (root / INDEX).write_bytes((root / INDEX).read_bytes() + b"\xff\xfe{\n"),
        f"{INDEX}, line 5 cannot be read",
    ),
    "index final": (lambda root: index(root, final_objects="{"), "final_objects of .* cannot be read"),
    "prompt": (lambda root: index(root, prompt_assets="[]"), "prompt_assets of episode 2 of .*"),
    "prompt outside": (
        lambda root: index(
            root,
            prompt_assets=json.dumps(
                {
                    n: {"placeholder_type": "object", "obj_info": {}, "rgb": {"front": "../../x.png"}}
                    for n in ("square", "target", "scene")
                }
            ),
        ),
        "prompt_assets of episode 2 of .* does not describe the pictures",
    ),
    "prompt picture": (
        lambda root: [cut(root, path.relative_to(root)) for path in root.glob("prompts/*/*.png")],
        r"prompts/../\w+.png is no whole picture",
    ),
    "record": (
        lambda root: (root / "meta/uio2_agent.json").write_text("{"),
        "does not say what its columns are|uio2_agent.json cannot be read",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_one_line_names_what_is_damaged(
    name: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, said = DAMAGES[name]
    root = tmp_path / "set"
    shutil.copytree(whole, root)
    damage(root)
    quick = "steps=9 eye_steps=0 batch_size=4 validation_episodes=0 warmup=1 threads=1 device=cpu"
    train = ["train", f"data={root}", f"output={tmp_path / 'run'}", "workers=0", *quick.split()]
    for words in (train, ["inspect", str(root), f"output={tmp_path / 'page'}"]):
        assert main(words) == 2, words[0]
        *films, line = capsys.readouterr().err.splitlines()
        assert line.startswith("uio2: ") and all(each.startswith("pictures ") for each in films), line
        assert re.search(said, line), line
    with pytest.raises(DatasetError, match=said):
        merge([root], tmp_path / "merged")


def test_a_flipped_bit_of_a_data_file_is_noticed_or_without_effect(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "set")
    path, draw = tmp_path / "set" / DATA, random.Random(0)
    content = path.read_bytes()

    def read() -> tuple:
        episode = LeRobotSource(tmp_path / "set")[2]
        episode.check()
        pictures = [np.asarray(film).tobytes() for film in episode.frames.values()]
        return (
            episode.actions.tolist(),
            episode.states.tolist(),
            episode.action_texts,
            episode.objects,
            pictures,
        )

    expected, noticed = read(), 0
    for _ in range(150):
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            assert read() == expected
        except DatasetError:
            noticed += 1
    assert noticed > 75
