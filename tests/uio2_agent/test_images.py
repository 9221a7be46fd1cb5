"""Image preparation against recorded official output, and what counts as background."""

import numpy as np
import pytest

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import RequestError
from uio2_agent.images import CLIP_MEAN, CLIP_STD, image_patches, patch_mask, resize_and_pad
from uio2_agent.processor import Processor
from uio2_agent.request import Request
from uio2_agent.text import TextTokenizer


@pytest.fixture(scope="module")
def official(shared):
    tokenizer = TextTokenizer(shared / "fixtures/uio2/mock_llama_tokenizer.model")
    return Processor(UnifiedIO2Config.preset("large"), tokenizer)


def test_resize_and_pad(shared):
    cases = np.load(shared / "fixtures/uio2/cases/prep__resize_pad_small.npz")
    pairs = [(cases[f"in/image/{k}"], cases[f"out/image/{k}"], cases[f"out/mask/{k}"]) for k in range(5)]
    pairs += list(zip(cases["in/video"], cases["out/video"], cases["out/video_mask"], strict=True))
    for image, expected, mask in pairs:
        pixels, inside = resize_and_pad(image, mask.shape)
        covered = np.zeros(mask.shape, bool)
        covered[inside] = True
        assert np.array_equal(covered, mask > 0)
        ours = pixels.transpose(1, 2, 0)
        if expected.min() < 0 or expected.max() > 1:
            ours = (ours - CLIP_MEAN) / CLIP_STD
        assert np.abs(ours - expected).max() < 1e-5


def test_official_preprocessor(shared, official):
    arrays = np.load(shared / "fixtures/uio2/cases/prep__preprocessor.npz")

    def matches(values, key):
        rows = arrays[f"{key}@rows"]
        assert list(values.shape) == arrays[f"{key}@shape"].tolist()
        assert np.abs(values[..., rows, :] - arrays[f"{key}@values"]).max() < 1e-5
        assert np.abs(values.mean(-1) - arrays[f"{key}@mean"]).max() < 1e-5
        assert np.abs(values.std(-1) - arrays[f"{key}@std"]).max() < 1e-5

    request = Request(str(arrays["in/2/text"]), image=arrays["in/2/image"])
    batch = official([request], [str(arrays["in/2/text_targets"])])
    matches(batch.image.values[0].numpy(), "out/2/inputs/image/input")
    assert np.array_equal(batch.image.mask[0], arrays["out/2/inputs/image/mask"] > 0)
    assert np.array_equal(batch.image.positions[0], arrays["out/2/inputs/image/pos_ids"])
    assert np.array_equal(batch.text.tokens[0], arrays["out/2/inputs/text/tokens"])
    assert np.array_equal(batch.text_target.inputs[0], arrays["out/2/targets/text/inputs"])
    assert np.array_equal(batch.text_target.targets[0], arrays["out/2/targets/text/targets"])
    assert np.array_equal(batch.text_target.mask[0], arrays["out/2/targets/text/mask"] > 0)

    history = (arrays["in/3/history0"], arrays["in/3/history1"])
    batch = official([Request(str(arrays["in/3/text"]), image_history=history)], fixed_shape=True)
    matches(batch.image_history.values[0].numpy(), "out/3/inputs/image_history/input")
    assert np.array_equal(batch.image_history.mask[0], arrays["out/3/inputs/image_history/mask"] > 0)
    tokens = arrays["out/3/inputs/text/tokens"]
    assert np.array_equal(batch.text.tokens[0, : len(tokens)], tokens)
    assert not batch.text.mask[0, len(tokens) :].any()


def test_background_patches_are_left_out():
    image = np.full((128, 256, 3), (100, 120, 140), np.uint8)
    image[40:44, 100:104] = (250, 0, 0)  # inside patch row 2, column 6
    image[100, 200] += 4  # within the tolerance
    kept = image_patches(image, (128, 256), 16, 80, drop_background=True)
    assert kept.positions.tolist() == [2 * 16 + 6]
    assert kept.mask.tolist() == [True]
    expected = (image[32:48, 96:112].astype(np.float32) / 255 - CLIP_MEAN) / CLIP_STD
    assert np.allclose(kept.values[0], expected.reshape(-1), atol=1e-6)


def test_a_blank_picture_keeps_one_patch():
    kept = image_patches(np.full((64, 64, 3), 7, np.uint8), (64, 128), 16, 32, drop_background=True)
    assert len(kept.positions) == 1


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
