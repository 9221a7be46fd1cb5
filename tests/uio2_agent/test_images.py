"""Pictures: resizes against PIL and recorded official output, what counts as background, drawn patches."""

import numpy as np
import pytest
from PIL import Image

from tests.parity.compare import Case
from tests.parity.preparation import check_resize_pad_small
from tests.uio2_agent.tiny import picture
from uio2_agent.errors import RequestError
from uio2_agent.media.images import (
    CLIP_MEAN,
    CLIP_STD,
    PatchList,
    image_patches,
    kept_image_patches,
    patch_mask,
    resize_and_pad,
    resize_nearest,
)


def test_recorded_resizes(shared):
    errors = check_resize_pad_small(Case(shared / "fixtures/uio2/cases/prep__resize_pad_small"))
    assert max(errors.values()) < 1e-5, errors


@pytest.mark.parametrize("size", [(30, 40), (90, 61), (127, 41)])
def test_resizes_are_those_of_pil(size):
    image = picture(0, *size)
    pixels, placement = resize_and_pad(image, (48, 64))
    smooth = Image.fromarray(image).resize(placement.scaled[::-1], Image.Resampling.BILINEAR)
    found = pixels[:, *placement.inside].transpose(1, 2, 0)
    assert np.allclose(found, np.asarray(smooth) / 255, atol=1.01 / 255)  # PIL rounds after each axis
    assert pixels.sum() == pytest.approx(found.sum())  # zero around it
    nearest = Image.fromarray(image).resize((64, 48), Image.Resampling.NEAREST)
    assert np.array_equal(resize_nearest(image, (48, 64)), np.asarray(nearest))


def test_background_patches_are_left_out():
    image = np.full((128, 256, 3), (100, 120, 140), np.uint8)
    image[40:44, 100:104] = (250, 0, 0)  # inside patch row 2, column 6
    image[100, 200] += 4  # within the tolerance
    kept = image_patches(image, (128, 256), 16, 80, drop_background=True)
    assert kept.positions.tolist() == [2 * 16 + 6]
    assert kept.mask.tolist() == [True]
    expected = (image[32:48, 96:112].astype(np.float32) / 255 - CLIP_MEAN) / CLIP_STD
    assert np.allclose(kept.values[0], expected.reshape(-1), atol=1e-6)


def test_padding_shows_nothing():
    """A picture of another shape keeps the patches it would keep without the bars around it."""
    image = np.full((108, 248, 3), 47, np.uint8)
    image[40:60, 100:130] = (250, 0, 0)
    kept = image_patches(image, (128, 256), 16, 80, drop_background=True)
    rows, columns = np.divmod(kept.positions, 16)
    assert set(rows) == {3, 4} and set(columns) == {6, 7, 8}  # 50 of 128, 103 to 134 of 256


def test_a_blank_picture_keeps_one_patch():
    kept = image_patches(np.full((64, 64, 3), 7, np.uint8), (64, 128), 16, 32, drop_background=True)
    assert len(kept.positions) == 1


def test_a_picture_too_thin_for_any_patch_centre_keeps_its_own_centre():
    thin = np.random.default_rng(0).integers(0, 256, (1, 300, 3), np.uint8)
    assert image_patches(thin, (64, 128), 16, 32, drop_background=True).positions.tolist() == [1 * 8 + 3]
    assert not image_patches(thin, (64, 128), 16, 32, drop_background=False).mask.any()


def test_valid_patches_are_drawn_before_masked_ones():
    mask = np.arange(10) % 2 == 0
    patches = PatchList(np.arange(10.0)[:, None], np.arange(10), mask)
    drawn = [patches.sample(7, np.random.default_rng(seed)) for seed in range(200)]
    for one in drawn:
        assert one.mask.tolist() == [True] * 5 + [False] * 2
        assert np.array_equal(one.values[:, 0], one.positions)
        assert len(set(one.positions)) == 7
    first = np.bincount([one.positions[0] for one in drawn], minlength=10)
    assert (first[mask] > 20).all() and not first[~mask].any()
    assert patches.sample(10, np.random.default_rng(0)) is patches


def test_too_many_patches_lose_the_flattest():
    random = np.random.default_rng(0)
    image = np.full((128, 256, 3), 128, np.uint8)
    for cell in range(100):
        row, column = divmod(cell, 16)
        spread = 10 + cell
        image[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] += random.integers(
            0, spread, (16, 16, 3), np.uint8
        )
    kept = image_patches(image, (128, 256), 16, 80, drop_background=True)
    assert len(kept.positions) == 80
    assert np.array_equal(kept.positions, np.sort(kept.positions))
    assert set(range(60, 100)) <= set(kept.positions.tolist())


def test_patch_mask_reads_the_centre():
    assert patch_mask((slice(9, 32), slice(0, 24)), (32, 32), 16).tolist() == [False, False, True, False]
    assert patch_mask((slice(8, 32), slice(0, 25)), (32, 32), 16).tolist() == [True, True, True, True]


@pytest.mark.parametrize(
    "image", [np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 0, 3), np.uint8)]
)
def test_other_arrays_are_refused(image):
    with pytest.raises(RequestError, match="must be uint8"):
        image_patches(image, (32, 32), 16, 4, False)


def test_what_comes_again_is_cut_once_and_as_before() -> None:
    image = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    how = {"size": (64, 64), "patch": 16, "limit": 9, "drop_background": True}
    turned = image.reshape(60, 40, 3)  # the same bytes
    for shown in (image, turned, image):
        kept, plain = kept_image_patches(shown, **how), image_patches(shown, **how)
        assert all(np.array_equal(getattr(kept, key), value) for key, value in vars(plain).items())
    assert kept_image_patches(image.copy(), **how) is kept
    with pytest.raises(ValueError, match="read-only"):
        kept.values[:] = 0
    with pytest.raises(RequestError, match="picture 2 must be uint8"):
        kept_image_patches(image.astype(float), **how, what="picture 2")
