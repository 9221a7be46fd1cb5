"""Pages, pictures and films: what a page names exists beside it, arrows lie where things are, films play."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tests.toys
from policies.embodiments.tabletop_places import pixel
from policies.embodiments.vima import VIMA, state_of
from rollouts.pages import film, pictures, report, video
from tests import toy_evaluation


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("evaluated")
    result = toy_evaluation.evaluated(output, "slide", dataset=True)
    film.record(output, result["config"], film.choose(result["episodes"], 1))
    report.write_evaluation(output, result)
    return output, result


def test_films_play_and_show_every_step(evaluated: tuple[Path, dict[str, Any]]) -> None:
    import av

    output, result = evaluated
    row = next(row for row in film.choose(result["episodes"], 1) if row["success"])
    with av.open(str(output / film.video_path(row))) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert frames[0].shape == (pictures.HEIGHT, pictures.WIDTH, 3)
    changes = sum(np.abs(a.astype(int) - b).mean() > 0.1 for a, b in pairwise(frames))
    assert changes == 2 * row["steps"] + 1, "arrow and outcome of each step, and the end"


def test_a_film_lasts_as_long_as_what_it_shows(tmp_path: Path) -> None:
    import av

    shades = [
        (Image.new("RGB", (64, 32), (shade,) * 3), count) for shade, count in ((0, 7), (99, 1), (200, 12))
    ]
    assert video.write_video(tmp_path / "film.mp4", shades, fps=20) == 20
    with av.open(str(tmp_path / "film.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.duration * stream.time_base) == 1.0 == container.duration / av.time_base
        begins = [float(frame.pts * stream.time_base) for frame in container.decode(video=0)]
    assert begins == [0, 0.35, 0.4], "each picture is stored once"


def test_a_part_over_a_picture_is_the_same_film_as_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (4, 6, 3), np.uint8) for _ in range(5)]
    first, *parts = (Image.fromarray(small).resize((96, 64), Image.BICUBIC) for small in noise)
    whole, over = [(first, 2)], [(first, 2)]
    for part in parts:
        part = part.crop((0, 0, 40, 22))
        shown = whole[-1][0].copy()
        shown.paste(part, (18, 36))
        whole.append((shown, 1))
        over.append((video.Patch(part, (18, 36)), 1))
    for name, shots in (("whole", whole), ("over", over)):
        video.write_video(tmp_path / name, shots)
    frames = [decoded(tmp_path / name) for name in ("whole", "over")]
    assert len(frames[0]) == 5 and (frames[0] == frames[1]).all()
    given = np.stack([np.asarray(picture, float) for picture, _ in whole])
    assert np.abs(given - frames[1]).mean() < 4


def decoded(path: Path) -> np.ndarray:
    import av

    with av.open(str(path)) as container:
        return np.stack(
            [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
        )


def test_films_of_the_tabletop_show_the_motion(rendering: None) -> None:
    """The tool and what it carries are seen on the way, and the film ends as the episode did."""
    import gymnasium as gym

    import envs  # noqa: F401 - registers the ids
    from rollouts.workers import MakeEnv

    env = gym.make("vima/rotate-v0", level="placement", expert=True)
    _, info = env.reset(seed=4_000_000)
    action = info["expert_action"]
    ended, _, _, _, info = env.step(action)
    row = {
        "task": "rotate",
        "level": "placement",
        "seed": 4_000_000,
        "status": "success" if info["success"] else "failure",
    }
    board = list(film.play_again(row | {"actions": [VIMA.vector(action).tolist()]}, "vima", MakeEnv()))
    moving = [shown for shown, _ in board if isinstance(shown, np.ndarray)]
    assert len(moving) > 20 and moving[0].shape == (pictures.MOTION_HEIGHT, pictures.SIDE_WIDTH, 3)
    assert all((a != b).any() for a, b in pairwise(moving[: len(moving) // 2]))
    last = board[-1][0]
    assert last.status == row["status"] == "success"
    for view, rgb in ended["rgb"].items():  # being watched moves things by less than a pixel shows
        differing = np.abs(last.views[view].astype(int) - np.moveaxis(rgb, 0, -1)).max(-1) > 8
        assert differing.mean() < 0.002


@pytest.mark.parametrize("view", VIMA.cameras)
def test_arrows_start_where_the_object_is_seen(view: str, shared: Path) -> None:
    """A resting object's recorded position, projected, lies in the box in which upstream's camera saw it."""
    rows = [json.loads(line) for line in (shared / "fixtures/vima/L1.jsonl").read_text().splitlines()]
    checked = 0
    for row in [row for row in rows if row["task"] == "visual_manipulation"][:20]:
        for thing in row["objects"]:
            seen = row["obs_px"][view].get(str(thing["id"]))
            if seen is None:
                continue
            column, line = (value / 2 for value in pixel(view, thing["pos"], (256, 512)))
            top, left, bottom, right = seen["bbox_rc"]
            assert top - 1 <= line <= bottom + 1 and left - 1 <= column <= right + 1, (
                row["seed"],
                thing["name"],
            )
            checked += 1
    assert checked > 20


def test_turns_are_signed_and_short() -> None:
    def action(degrees: float) -> dict[str, np.ndarray]:
        half = np.radians(degrees) / 2
        still = {f"pose{i}_position": np.array([0.5, 0.0]) for i in (0, 1)}
        turned = np.array([0, 0, np.sin(half), np.cos(half)])
        return {**still, "pose0_rotation": np.array([0, 0, 0, 1.0]), "pose1_rotation": turned}

    suction = state_of(0)
    assert "turn +90°" in VIMA.describe(action(90), suction)
    assert "turn -150°" in VIMA.describe(action(210), suction)
    assert "turn" not in VIMA.describe(action(0), suction)


def test_prompt_images_stand_in_the_line(evaluated: tuple[Path, dict[str, Any]]) -> None:
    env = tests.toys.ToyEnv()
    observation, info = env.reset(seed=1)
    views = {view: np.moveaxis(rgb, 0, -1) for view, rgb in observation["rgb"].items()}
    drawn, plain = (
        np.asarray(pictures.draw(pictures.Scene(VIMA, state_of(0), info["prompt"], assets, views)))
        for assets in (info["prompt_assets"], {})
    )
    panel = np.s_[:, : pictures.PROMPT_WIDTH + pictures.MARGIN]
    colours = {tuple(colour) for colour in drawn[panel].reshape(-1, 3)}
    for name in ("square", "target"):
        shown = info["prompt_assets"][name]["segm"]["obj_info"]["obj_color"]
        assert tests.toys.COLOURS[shown] in colours
    assert not {*tests.toys.COLOURS.values()} & {tuple(c) for c in plain[panel].reshape(-1, 3)}
    assert Image.fromarray(drawn).size == (pictures.WIDTH, pictures.HEIGHT)
