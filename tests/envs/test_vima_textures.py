"""Textures: the benchmark's names, order and colours, and pictures that are the same in every process."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from envs.vima.things.texture_recipes import KEPT, draw_kept
from envs.vima.things.textures import DARK, GRAY, LIGHT_DARK, TEXTURES, texture_image

# mean RGB of the pictures recorded from VIMA-Bench
MEANS = {
    "brick": (183, 123, 105), "tiles": (134, 133, 127), "wooden": (216, 173, 124), "granite": (177, 190, 186),
    "plastic": (223, 222, 222), "polka dot": (209, 209, 209), "checkerboard": (133, 130, 120),
    "tiger": (135, 89, 20), "magma": (67, 16, 4), "rainbow": (137, 105, 101),
    "red and yellow stripe": (246, 144, 80), "red and yellow polka dot": (241, 178, 75),
    "red swirl": (255, 171, 172), "red paisley": (255, 146, 147),
}  # fmt: skip
# value lowered by 0.3, as VIMA-Bench's dark textures
DARK_COLOURS = {
    "blue": (42, 66, 90), "red": (178, 61, 62), "green": (49, 92, 43), "orange": (165, 97, 29),
    "yellow": (160, 136, 49), "purple": (100, 69, 91), "pink": (178, 110, 117), "cyan": (69, 106, 104),
}  # fmt: skip


def test_names_stand_in_the_benchmarks_order() -> None:
    assert (len(TEXTURES), len(DARK), len(LIGHT_DARK)) == (49, 33, 66)
    assert TEXTURES[0] == "brick" and TEXTURES[10] == "red and yellow stripe"
    assert TEXTURES[23:25] == (
        "red and purple polka dot",
        "yellow and green polka dot",
    )  # the border of the two pools
    assert TEXTURES[30:36] == (
        "red swirl", "yellow swirl", "green swirl", "blue swirl", "purple swirl", "red paisley",
    )  # fmt: skip
    assert TEXTURES[40:] == ("blue", "red", "green", "orange", "yellow", "purple", "pink", "cyan", "olive")
    assert LIGHT_DARK[:4] == ("blue", "dark blue", "red", "dark red")
    assert LIGHT_DARK[-2:] == ("purple swirl", "dark purple swirl")
    assert set(LIGHT_DARK[1::2]) == set(DARK) and "dark olive" not in DARK


@pytest.mark.parametrize("name", MEANS)
def test_pictures_have_the_recorded_means(name: str) -> None:
    image = texture_image(name)
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8
    assert np.abs(image.reshape(-1, 3).mean(0) - MEANS[name]).max() < 20


@pytest.mark.parametrize("name", DARK_COLOURS)
def test_dark_colours_are_the_recorded_ones(name: str) -> None:
    assert tuple(texture_image(f"dark {name}")[0, 0]) == DARK_COLOURS[name]


def test_stripes_have_ten_periods_of_two_equal_bars() -> None:
    row = (texture_image("red and blue stripe")[0] == (255, 87, 89)).all(-1)
    assert np.count_nonzero(np.diff(row.astype(int)) == -1) == 10
    assert abs(row.mean() - 0.5) < 0.02


def test_pictures_are_read_only_and_unknown_names_fail() -> None:
    with pytest.raises(ValueError, match="read-only"):
        texture_image(GRAY)[0] = 0
    with pytest.raises(KeyError):
        texture_image("dark olive")


def test_what_is_kept_is_what_the_recipes_draw() -> None:
    drawn = draw_kept()
    with np.load(KEPT) as kept:
        assert set(kept.files) == set(drawn)
        for name in drawn:  # another processor may round a byte the other way
            differs = np.abs(kept[name].astype(int) - drawn[name])
            assert kept[name].dtype == drawn[name].dtype
            assert differs.max() <= 1 and differs.mean() < 1e-3


def test_pictures_are_the_same_in_another_process() -> None:
    names = ("brick", "tiles", "tiger", "plastic", "green paisley")
    code = (
        "import hashlib; from envs.vima.things.textures import texture_image; "
        f"print([hashlib.sha256(texture_image(n).tobytes()).hexdigest() for n in {tuple(reversed(names))}])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = [hashlib.sha256(texture_image(n).tobytes()).hexdigest() for n in reversed(names)]
    assert other.strip() == str(here)
