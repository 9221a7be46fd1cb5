"""A simulator that somebody else wrote and installed works with every command; no line of ours knows it.

`tests/toy_point` is a distribution of its own: environment, suite and embodiment, found by entry points.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[1]
UIO2 = Path(sys.executable).with_name("uio2")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution installed in it, as pip does it."""
    site = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "toy_point"
    shutil.copytree(ROOT / "tests/toy_point", source)  # building leaves files beside the sources
    words = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *words, str(source)], check=True)
    assert (site / "toy_point").is_dir()
    return site


@pytest.fixture(scope="module")
def run(installed: Path, tmp_path_factory: pytest.TempPathFactory):
    """Run a command in a folder where nothing of ours lies, and return what it printed."""
    folder = tmp_path_factory.mktemp("work")

    def uio2(*words: str, status: int = 0) -> str:
        environment = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run(
            [UIO2, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    uio2.folder, uio2.site = folder, installed
    return uio2


def test_collect_train_evaluate_inspect_and_rollout(run) -> None:
    folder: Path = run.folder
    assert "60 episodes (60 success)" in run("collect", "env=toy_point", "episodes=60", "output=data")
    info = json.loads((folder / "data/meta/info.json").read_text())
    assert (info["robot_type"], info["fps"]) == ("toy_point", 5)
    assert info["features"]["observation.images.above"]["shape"] == [64, 64, 3]
    assert info["features"]["observation.state"]["names"] == ["x", "y"]
    assert info["features"]["action"]["names"] == ["dx", "dy"]
    first = pq.read_table(folder / "data/data/chunk-000/file-000.parquet").to_pylist()[0]
    assert re.fullmatch(r"0: move \( <extra_id_\d+> <extra_id_\d+> \)", first["action.text"])

    quick = ["steps=4", "batch_size=4", "validation_episodes=2", "log_every=1", "device=cpu", "threads=1"]
    run("train", "data=data", "output=run", *quick)
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and all(line["training/locations"] > 0 for line in lines)
    assert list(json.loads((folder / "run/policy.json").read_text())["styles"]) == ["toy_point"]

    run(
        "evaluate",
        "env=toy_point",
        "policy=run",
        "level=all",
        "episodes=2",
        "videos=0",
        "output=run_evaluated",
    )
    result = json.loads((folder / "run_evaluated/result.json").read_text())
    assert [(row["env"], row["level"]) for row in result["rows"]] == [
        ("toy_point", n) for n in ("three", "one")
    ]
    assert all(row["metrics"]["distance"] > 0 for row in result["rows"]) and result["benchmark"] is None
    assert all(e["action_texts"][0].startswith("0: move (") for e in result["episodes"])

    words = ["env=toy_point", "policy=oracle", "level=L1", "episodes=5", "videos=1", "workers=2"]
    said = run("evaluate", *words, "output=oracle")
    assert "100.0%" in said and list((folder / "oracle/videos").glob("*.mp4"))
    run("evaluate", "env=toy_point", "policy=random", "episodes=5", "videos=0", "output=random")
    assert "100.0%" in run("compare", "oracle", "random")
    run("inspect", "data", "episodes=2", "film=all")
    assert len(list((folder / "data/page").glob("*.mp4"))) == 2
    assert "100% solved" in run("rollout", "env=toy_point", "policy=oracle", "episodes=2", "output=rollout")
    assert (folder / "rollout/dataset/meta/info.json").exists()


def test_a_suite_is_named_by_module_too(run) -> None:
    assert "2 episodes (2 success)" in run(
        "collect", "env=toy_point.suite:SUITE", "level=one", "episodes=2", "output=by_module"
    )
    row = json.loads((run.folder / "by_module/meta/uio2_episodes.jsonl").read_text().splitlines()[0])
    assert (row["suite"], row["env_id"]) == ("toy_point.suite:SUITE", "toy_point/reach-v0")


def test_names_are_checked_with_the_suites_own(run) -> None:
    assert "did you mean 'three'?): choose one of three, one" in run(
        "collect", "env=toy_point", "level=tree", status=2
    )
    assert "did you mean 'reach'?): choose one of reach" in run(
        "evaluate", "env=toy_point", "policy=random", "task=reech", status=2
    )
    assert "toy_point" in run("collect", "env=toy_pint", status=2)


def test_it_is_played_with_one_click(run) -> None:
    environment = os.environ | {"PYTHONPATH": str(run.site)}
    command = [UIO2, "play", "env=toy_point", "port=0", "seed=3"]
    process = subprocess.Popen(command, cwd=run.folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        seen = json.loads(urllib.request.urlopen(address + "state", timeout=60).read())
        assert seen["controls"]["points"] == ["Click where to go."] and seen["status"] == ""
        body = json.dumps({"points": [[0.9, 0.9]]}).encode()
        asked = urllib.request.Request(address + "act", body, {"Content-Type": "application/json"})
        assert json.loads(urllib.request.urlopen(asked, timeout=60).read())["steps"] == 1
    finally:
        process.kill()
        process.communicate()


def test_it_keeps_the_contract(run) -> None:
    environment = os.environ | {"PYTHONPATH": str(run.site)}
    command = [sys.executable, "-m", "tests.contract", "toy_point"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
