"""Training takes VIMA's own trajectories beside our datasets, recognises which is which, and names what is
neither; the style of requests is set from the command line.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from policies.embodiments.vima import VIMA, Vima
from policies.style import load_styles
from pretrain.episode_batches import filled_area
from pretrain.sources import DatasetError, EpisodeFolders, EpisodeRecord, VimaEpisode
from rollouts.cli import main
from tests.pretrain.test_train import collect
from tests.pretrain.test_vima_trajectories import SEED, TASK, pieces, scene, vimasim, write
from uio2_agent.request import Request

__all__ = ["vimasim"]
QUICK = "eye_steps=0 batch_size=2 warmup=1 validation_episodes=1 workers=0 log_every=1 threads=1 device=cpu"


@pytest.fixture
def trajectories(tmp_path: Path, vimasim: Any) -> Path:
    """Four of VIMA's, one unsolved."""
    for index in range(4):
        parts = pieces(vimasim)
        parts["trajectory.pkl"] |= {"success": index != 2, "seed": SEED + index}
        write(tmp_path / "vima", index, parts)
    return tmp_path / "vima"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests for plans that training makes."""
    requests, make = [], Vima.request
    monkeypatch.setattr(Vima, "request", lambda *a: requests.append(make(*a)) or requests[-1])
    return requests


def train(*words: str) -> int:
    return main(["train", *QUICK.split(), *words])


def test_the_command_trains_on_vimas_trajectories(trajectories: Path, tmp_path: Path, asked: list) -> None:
    output = tmp_path / "run"
    words = (f"data={trajectories}", f"output={output}", "steps=3", "boxes_share=0")
    assert train(*words) == 0
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] and all(line["training/words"] > 0 for line in lines)
    assert load_styles(output, "") == {"vima": VIMA.style(small=True)}
    assert len(asked) == 6 and all("red block" not in request.text for request in asked)
    assert {len(request.image_history) for request in asked} <= {2, 3}


def test_both_forms_are_mixed_and_the_style_is_kept(trajectories: Path, tmp_path: Path, asked: list) -> None:
    ours = collect(tmp_path / "ours", seed=0, episodes=6)
    output = tmp_path / "run"
    words = ["style.object_names=true", "style.object_boxes=true", f"data=[{trajectories},{ours}]"]
    words += [f"output={output}", "boxes_share=0"]
    assert train(*words, "steps=4") == 0
    style = load_styles(output, "")["vima"].to_dict()
    assert style == {**VIMA.style(small=True).to_dict(), "object_names": True, "object_boxes": True}
    texts = [request.text for request in asked]
    assert any("red block" in text for text in texts) and any("square" in text for text in texts)
    for text in texts:
        assert text.count("<extra_id_") >= 8, "boxes of two objects, and executed steps"
        assert text.count("<image_history_") <= 2, "the scene, and the first view after a step"


def test_another_style_is_another_run(
    trajectories: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (f"data={trajectories}", f"output={tmp_path / 'run'}", "steps=1")
    assert train(*words, "style.memory=false") == 0
    assert train(*words, "style.memory=false", "style.wording=short") == 0, "what it was anyway"
    for style, said in (
        ("style.memory=true", "run with other settings (style"),
        ("style.object_name=true", "unknown fields ['object_name']; known are"),
        ("style.object_names=perhaps", "style.object_names='perhaps' is not possible"),
        ("style.views=top", "style.views='top' is not possible"),
        ("style.views=[side]", "no camera 'side'; choose from front, top"),
        ("style=short", "style takes keys below it"),
    ):
        capsys.readouterr()
        assert train(*words, style) == 2
        assert said in capsys.readouterr().err


def test_episodes_of_both_forms_in_one_sequence(trajectories: Path, tmp_path: Path) -> None:
    ours = collect(tmp_path / "ours", seed=0, episodes=3)
    source = EpisodeFolders([trajectories, ours, trajectories / TASK])
    found = [(type(episode), episode.index, episode.seed) for episode in source]
    theirs = [(VimaEpisode, index, SEED + index) for index in range(4)]
    assert found == [(EpisodeRecord, index, index) for index in range(3)] + 2 * theirs
    assert [source[-1].seed, source[-5].index, source[2].seed] == [SEED + 3, 3, 2]
    with pytest.raises(IndexError):
        source[11]
    assert [(fact["seed"], fact["success"]) for fact in source.facts] == [
        (episode.seed, episode.success) for episode in source
    ]
    last = scene(2)["top"]
    rows, columns = (last == 5).any(1).sum() - 1, (last == 5).any(0).sum() - 1
    assert filled_area(source.facts[3], {"vima": VIMA.style()}) == rows * columns + 7 * 7


@pytest.mark.parametrize(
    ("change", "said"),
    [({"seed": 5_000_000}, "1 episodes with held-out seeds"), ({"success": False}, "1 successful episodes")],
)
def test_vimas_episodes_keep_the_rules_of_ours(
    tmp_path: Path, vimasim: Any, change: dict, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held-out seeds are held out whoever collected them, and what did not succeed is not learned."""
    for index in range(2):
        parts = pieces(vimasim)
        parts["trajectory.pkl"] |= change if index else {}
        write(tmp_path / "vima", index, parts)
    assert train(f"data={tmp_path / 'vima'}", f"output={tmp_path / 'run'}") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["missing", "empty", "pictures", "ours, empty"])
def test_other_folders_are_named(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    if kind != "missing":
        folder.mkdir()
    if kind == "pictures":
        (folder / "rotate").mkdir()
        (folder / "rotate" / "0.jpg").touch()
    if kind == "ours, empty":
        (folder / "meta").mkdir()
    said = "no dataset of ours" if kind == "ours, empty" else "is neither a dataset of ours"
    with pytest.raises(DatasetError, match=said):
        EpisodeFolders([folder])
    assert train(f"data={folder}", f"output={tmp_path / 'run'}") == 2
    line = capsys.readouterr().err
    said = "is no directory" if kind == "missing" else said
    assert said in line and str(folder) in line and line.count("\n") == 1
