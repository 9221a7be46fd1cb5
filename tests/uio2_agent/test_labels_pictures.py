"""Dense labels: recorded restoring, and pictures that went through a resize of their own and come back."""

import numpy as np
import pytest
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import from_numpy

from uio2_agent import labels
from uio2_agent.errors import UIO2Error
from uio2_agent.media.geometry import Placement

SIZES = [(480, 640), (97, 403), (256, 256), (90, 51), (300, 20)]


def _fitted(picture: np.ndarray, size: int) -> np.ndarray:
    """Resize float [h, w, c] into a square with zeros around, as a target is."""
    placement = Placement.fit(picture.shape[:2], (size, size))
    planes = from_numpy(picture.transpose(2, 0, 1).copy())[None]
    small = F.interpolate(planes, placement.scaled, mode="bilinear", antialias=True, align_corners=False)
    square = np.zeros((size, size, picture.shape[2]))
    square[placement.inside] = small[0].numpy().transpose(1, 2, 0)
    return square


def _smooth(original: tuple[int, int], channels: int = 3) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(*original, channels))
    smooth = gaussian_filter(noise, (max(original) / 30, max(original) / 30, 0), mode="nearest")
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


@pytest.mark.parametrize("name", ["wide", "tall"])
def test_recorded_official_restoring(shared, name):
    arrays = np.load(shared / "fixtures/uio2/cases/prep__postprocess.npz")
    image = arrays["in/image_f16"].astype(np.float32)
    original = tuple(int(side) for side in arrays[f"in/{name}/info"][3:5])
    restored = labels.official_restore(image, original)
    assert np.array_equal(labels.to_uint8(restored), arrays[f"out/{name}/color_u8"])
    assert np.abs(restored.mean(-1, keepdims=True) - arrays[f"out/{name}/gray"]).max() < 1e-6


@pytest.mark.parametrize("original", SIZES)
def test_restoring_is_nearer_than_the_official_rule(original):
    picture = _smooth(original)
    square = _fitted(picture, 256)
    ours = np.abs(labels.restore(square, Placement.fit(original, (256, 256))) - picture)
    official = np.abs(labels.official_restore(square, original) - picture)
    assert ours.max() <= official.max() and ours.mean() <= official.mean() / 2


@pytest.mark.parametrize("original", SIZES)
def test_padding_has_no_part_in_a_restored_picture(original):
    white = _fitted(np.ones((*original, 3)), 256)
    assert np.allclose(labels.restore(white, Placement.fit(original, (256, 256))), 1, atol=1e-6)
    flat = labels.restore(np.full((256, 256, 1), 0.25), Placement.fit(original, (384, 384)))
    assert flat.shape == (*original, 1) and np.allclose(flat, 0.25)


def test_a_square_of_the_same_size_is_itself():
    image = np.random.default_rng(1).uniform(size=(64, 64, 3))
    assert np.allclose(labels.restore(image, Placement.fit((64, 64), (64, 64))), image)
    levels = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(labels.to_uint8(levels / 255), levels)


def test_restoring_averages_where_the_square_is_larger():
    image = np.random.default_rng(3).uniform(size=(256, 256, 1))
    (value,) = labels.restore(image, Placement.fit((1, 1), (256, 256))).reshape(-1)
    assert abs(value - 0.5) < 0.01
    # 300 x 20 at 384 is 25.6 columns wide, cut to 25: at 256 they are no whole pixels
    assert labels.restore(image, Placement.fit((300, 20), (384, 384))).shape == (300, 20, 1)


def test_depth_comes_back_to_a_level():
    depth = np.random.default_rng(4).uniform(0, 10, (30, 40))
    picture = labels.depth_picture(depth, 10.0)
    assert picture.dtype == np.uint8 and (picture == picture[..., :1]).all()
    assert np.abs(labels.read_depth(picture, 10.0) - depth).max() <= 10 / 255 / 2 * 1.001
    assert labels.read_depth(labels.depth_picture(depth + 10, 10.0), 10.0).min() == 10
    restored = labels.read_depth(np.full((256, 256, 3), 0.5), 8.0, Placement.fit((48, 80), (256, 256)))
    assert restored.shape == (48, 80) and np.allclose(restored, 4)
    for wrong, maximum in ((-depth, 10), (depth * np.nan, 10), (depth, 0), (depth[None], 10)):
        with pytest.raises(UIO2Error):
            labels.depth_picture(wrong, maximum)
    with pytest.raises(UIO2Error, match="largest depth"):
        labels.read_depth(picture, -1)


def test_normals_come_back_to_a_level():
    normals = np.random.default_rng(5).normal(size=(20, 30, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    found = labels.read_normals(labels.normals_picture(normals * 3))
    # Each number is off by half a level of 2/255; bringing to length 1 at most doubles the distance.
    assert np.linalg.norm(found - normals, axis=-1).max() < 2 * np.sqrt(3) / 255
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)
    up = labels.normals_picture(np.broadcast_to([0.0, 0.0, 1.0], (2, 2, 3)))
    assert np.array_equal(up[0, 0], [128, 128, 255])
    assert not labels.read_normals(np.full((2, 2, 3), 0.5)).any()
    with pytest.raises(UIO2Error, match="finite"):
        labels.normals_picture(normals * np.inf)


@pytest.mark.parametrize("original", SIZES)
def test_masks_come_back_through_the_square(original):
    rows, columns = np.indices(original) / np.array(original)[:, None, None]
    mask = (rows - 0.45) ** 2 + (columns - 0.55) ** 2 < 0.1
    picture = labels.mask_picture(mask)
    assert np.array_equal(labels.read_mask(picture), mask)
    square = _fitted(picture / 255.0, 256)
    found = labels.read_mask(square, Placement.fit(original, (256, 256)))
    official = labels.read_mask(labels.official_restore(square, original))
    assert _overlap(found, mask) >= _overlap(official, mask)
    assert _overlap(found, mask) > 0.98


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    return (first & second).sum() / (first | second).sum()


def test_what_is_no_picture_is_refused():
    with pytest.raises(UIO2Error, match="must be bool"):
        labels.mask_picture(np.ones((3, 3)))
    for image in (np.zeros((4, 4)), np.zeros((0, 4, 3)), np.full((4, 4, 3), np.nan)):
        with pytest.raises(UIO2Error):
            labels.read_mask(image)
