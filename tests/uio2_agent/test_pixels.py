"""Numbers of pictures of every type: arrays, PIL pictures and files give the same bytes, or one refusal."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from tests.uio2_agent.tiny import picture
from uio2_agent import labels
from uio2_agent.errors import RequestError
from uio2_agent.media.loading import load_image
from uio2_agent.media.pixels import to_levels

GREY = np.array([[0, 1, 2, 51], [100, 128, 200, 255]])
"""Levels of a small grey picture."""
SAME = {
    "uint8": GREY.astype(np.uint8),
    "int16": GREY.astype(np.int16),
    "int32": GREY.astype(np.int32),
    "uint32": GREY.astype(np.uint32),
    "int64": GREY.astype(np.int64),
    "uint64": GREY.astype(np.uint64),
    "uint16": (GREY * 257).astype(np.uint16),
    "big-endian": (GREY * 257).astype(">u2"),
    "float16": (GREY / 255).astype(np.float16),
    "float32": (GREY / 255).astype(np.float32),
    "float64": GREY / 255,
    "big-endian float": (GREY / 255).astype(">f4"),
    "longdouble": (GREY / 255).astype(np.longdouble),
    "a hair outside": (GREY / 255 - 0.5) * (1 + 2e-7) + 0.5,
    "bfloat16 tensor": torch.from_numpy(np.sign(GREY - 127) / 2 + 0.5).bfloat16(),
    "tensor with gradient": torch.from_numpy(GREY / 255).requires_grad_(),
    "list": GREY.tolist(),
}


@pytest.mark.parametrize("name", SAME)
def test_arrays_of_any_type_give_the_same_bytes(name):
    expected = GREY if name != "bfloat16 tensor" else np.where(GREY > 127, 255, 0)
    found = load_image(SAME[name])
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.dstack([expected] * 3))


def test_int8_reaches_127_and_bool_is_black_and_white():
    assert load_image(np.array([[0, 5, 127]], np.int8))[0, :, 0].tolist() == [0, 5, 127]
    assert load_image(np.array([[False, True]]))[0, :, 2].tolist() == [0, 255]
    assert not load_image(np.zeros((3, 3), np.int64)).any()


FLOAT, WIDE, DEEP = (GREY / 255).astype(np.float32), GREY.astype(np.int32), (GREY * 257).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("float.tif", Image.fromarray(FLOAT)),
        ("int32.tif", Image.fromarray(WIDE)),
        ("uint16.tif", Image.fromarray(DEEP)),
        ("uint16.png", Image.fromarray(DEEP)),
        ("uint16.jp2", Image.fromarray(DEEP)),
        ("uint16.pgm", b"P5 4 2 65535\n" + DEEP.astype(">u2").tobytes()),
        ("grey.png", Image.fromarray(GREY.astype(np.uint8))),
        ("palette.png", Image.fromarray(GREY.astype(np.uint8)).convert("P")),
        ("alpha.png", Image.fromarray(GREY.astype(np.uint8)).convert("LA")),
        ("alpha.tif", Image.fromarray(GREY.astype(np.uint8)).convert("RGBA")),
    ],
)
def test_files_and_pil_pictures_give_what_the_array_gives(tmp_path, name, stored):
    path = tmp_path / name
    path.write_bytes(stored) if isinstance(stored, bytes) else stored.save(path)
    expected = np.dstack([GREY] * 3)
    assert np.array_equal(load_image(path), expected)
    with Image.open(path) as opened:
        assert np.array_equal(load_image(opened), expected)
    if not isinstance(stored, bytes):
        assert np.array_equal(load_image(stored), expected)


def test_other_modes_of_pil():
    bits = Image.fromarray(GREY > 127)
    assert bits.mode == "1" and np.array_equal(load_image(bits)[..., 0], np.where(GREY > 127, 255, 0))
    cyan = Image.fromarray(np.array([[[255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
    assert load_image(cyan)[0].tolist() == [[0, 255, 255], [0, 0, 0]]
    half = Image.fromarray(np.array([[[0, 0], [0, 255], [100, 128]]], np.uint8), "LA")
    assert load_image(half)[0, :, 0].tolist() == [255, 0, 177]  # 100 at half over white
    with pytest.raises(RequestError, match="mode La"):
        load_image(Image.new("La", (2, 2)))


def test_colours_of_16_bit_files_are_within_a_level_of_the_array(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65_536, (5, 7, 3), np.uint16)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in deep)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 7, 5, 16, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(content)
    found, array = load_image(tmp_path / "deep.png"), load_image(deep)
    assert np.abs(found.astype(int) - array).max() <= 1


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (FLOAT * 255, "float32 from 0.0 to 255.0, outside of 0 to 1: "),
        (FLOAT * 2 - 1, "float32 from -1.0 to 1.0, outside of 0 to 1: "),
        ((FLOAT * 2 - 1).astype(np.float16), "float16 from -1.0 to 1.0"),
        (WIDE * 257, "int32 from 0 to 65535, outside of 0 to 255"),
        (GREY.astype(np.int64) - 128, "int64 from -128 to 127"),
        (np.array([[2**40]], np.uint64), f"uint64 from {2**40} to {2**40}"),
        (np.array([[-1]], np.int8), "int8 from -1 to -1"),
        (GREY.astype(np.uint16), "uint16 from 0 to 255, all but black"),
        ((GREY > 127).astype(np.int64), "int64 from 0 to 1, all but black of 255: hand in a mask as bool"),
        (np.where(GREY > 0, FLOAT, np.nan), "float32 with NaN or infinity"),
        (np.where(GREY > 0, FLOAT, np.inf), "float32 with NaN or infinity"),
        (FLOAT.astype(np.complex64), "complex64"),
        (FLOAT.astype(str), "<U"),
        (np.array([[None]]), "object"),
    ],
)
def test_what_has_no_place_is_refused_with_type_and_range(tmp_path, array, said):
    with pytest.raises(RequestError, match=r"^image holds ") as error:
        load_image(array)
    assert said in str(error.value) and "\n" not in str(error.value)
    if array.dtype in (np.float32, np.int32, np.uint16):
        Image.fromarray(array).save(tmp_path / "same.tif")
        with pytest.raises(RequestError) as of_file:
            load_image(tmp_path / "same.tif")
        assert str(of_file.value) == str(error.value)
    if array.dtype.kind not in "cUO":
        with pytest.raises(RequestError, match="the image holds"):
            labels.read_mask(np.dstack([array] * 3))


@pytest.mark.parametrize("source", [None, b"bytes", object(), [[1, 2], [3]], {"image": 1}])
def test_what_is_no_picture_at_all_is_refused(source):
    with pytest.raises(RequestError, match="image"):
        load_image(source)


def test_label_pictures_follow_the_same_rule():
    expected = labels.read_depth(np.dstack([GREY.astype(np.uint8)] * 3), 8.0)
    for name in ("int64", "uint16", "float64", "int32"):
        assert np.allclose(labels.read_depth(np.dstack([SAME[name]] * 3), 8.0), expected), name
    assert np.allclose(expected, GREY / 255 * 8)
    levels = picture(0)
    assert np.array_equal(labels.to_uint8(levels), levels)


def test_a_file_of_several_pictures_says_that_one_is_taken(tmp_path):
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    frames[0].save(tmp_path / "film.tif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"film\.tif holds 3 pictures and only the first is taken"):
        assert np.array_equal(load_image(tmp_path / "film.tif"), picture(0))


def test_a_broken_picture_is_one_line_however_it_comes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60_000])
    with pytest.raises(RequestError, match=r"cannot read a picture from .*cut\.png"):
        load_image(tmp_path / "cut.png")
    with Image.open(tmp_path / "cut.png") as opened, pytest.raises(RequestError, match="cannot read"):
        load_image(opened)


def test_bytes_pass_untouched():
    levels = np.arange(256, dtype=np.uint8)
    assert to_levels(levels) is levels
