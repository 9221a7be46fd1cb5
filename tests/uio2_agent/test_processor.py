"""Whole batches: recorded calls, mixtures of modalities in and out, padding, drawn patches, refusals."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from tests.parity.compare import Case
from tests.parity.preparation import check_preprocessor, check_tokenizer
from tests.uio2_agent.tiny import picture, tiny_config
from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.errors import RequestError
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

AUDIO, AUDIO_TARGET = (16, 8), (24, 16)


def small(**changes) -> Processor:
    """Return a processor for every modality at sizes of a few patches, nothing left out."""
    fields = dict(
        input_modalities=("text", "image", "image_history", "audio", "audio_history"),
        target_modalities=("text", "image", "audio"),
        audio_encoder=ViTConfig(
            width=32, heads=2, head_dim=16, mlp_dim=48, layers=3, patch_size=4, channels=1,
            positions=(8, 4), lineage="ast",
        ),
        audio_history=ResamplerConfig(width=16, heads=2, head_dim=8, mlp_dim=24, layers=2, latents=3),
        image_rows=16_512,
        audio_rows=8_320,
        image_tokenizer=VQGANConfig(image_size=(32, 32)),
        audio_tokenizer=ViTVQGANConfig(spectrogram_size=AUDIO_TARGET[::-1]),
        image_size=(48, 48), history_size=(16, 32), audio_size=AUDIO,
        image_tokens=36, history_tokens=8, audio_tokens=8, history_frames=3,
        drop_background=False,
    )  # fmt: skip
    return Processor(tiny_config(**(fields | changes)), TextTokenizer.packaged())


def power(seed: int, size: tuple[int, int] = AUDIO) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 9, size).astype(np.float32)


def requests() -> list[Request]:
    return [
        Request("all of it", picture(0), (picture(1), picture(2)), power(0), (power(1), power(2), power(3))),
        Request("nothing but text"),
        Request("a sound", audio=power(4)),
        Request("an image and what was heard before", picture(3, 60, 30), audio_history=(power(5),)),
        Request("what was seen", image_history=(picture(4),)),
    ]


def targets() -> list[Target]:
    return [
        Target("all", picture(5), power(6, AUDIO_TARGET)),
        Target("text"),
        Target(audio=power(7, AUDIO_TARGET)),
        Target(image=picture(6)),
        Target(image=picture(7, 30, 60)),
    ]


ASKED = ["image", "text", "audio", "image", "image"]


def parts(batch) -> dict[str, torch.Tensor]:
    """Return every tensor of a batch by its path, but for which frames of all rows show the same picture."""
    return {
        f"{part.name}.{field.name}": getattr(value, field.name)
        for part in dataclasses.fields(batch)
        if (value := getattr(batch, part.name)) is not None
        for field in dataclasses.fields(value)
        if getattr(value, field.name) is not None and field.name != "first"
    }


def test_recorded_calls(shared):
    errors = check_preprocessor(Case(shared / "fixtures/uio2/cases/prep__preprocessor"))
    assert len(errors) > 100
    assert max(errors.values()) < 1e-5, {name: error for name, error in errors.items() if error >= 1e-5}
    assert not any(check_tokenizer(Case(shared / "fixtures/uio2/cases/prep__tokenizer")).values())


@pytest.mark.parametrize("fixed_shape", [False, True])
def test_a_row_is_the_same_alone_and_in_a_mixed_batch(fixed_shape):
    process = small()
    together = parts(process(requests(), targets(), ASKED, fixed_shape))
    for row, (request, target) in enumerate(zip(requests(), targets(), strict=True)):
        alone = parts(process([request], [target], ASKED[row], fixed_shape))
        assert alone.keys() <= together.keys()
        for name, tensor in together.items():
            rest = tensor[row].clone()
            if name in alone:
                held = alone[name][0]
                assert held.shape == rest.shape or not fixed_shape
                inside = tuple(slice(side) for side in held.shape)
                assert torch.equal(rest[inside], held), name
                rest[inside] = 0
            if not name.endswith((".positions", ".inputs")):  # which say nothing behind the mask
                assert not rest.any(), name


def test_fixed_shapes_are_those_of_the_configuration():
    process = small()
    shapes = {
        name: list(tensor.shape) for name, tensor in parts(process([Request("x")], fixed_shape=True)).items()
    }
    assert shapes["image.values"] == [1, 36, 192]
    assert shapes["image_history.values"] == [1, 3, 8, 192]
    assert shapes["audio.values"] == [1, 8, 16]
    assert shapes["audio_history.mask"] == [1, 3, 8]
    loose = process([Request("x")])
    assert loose.image is loose.image_history is loose.audio is loose.audio_history is None


@pytest.mark.parametrize("fixed_shape", [False, True])
def test_what_is_drawn_over_keeps_its_background(fixed_shape):
    """Each token of a picture asked for has the patch in its place; for a text what shows nothing goes."""
    config = UnifiedIO2Config.preset("nano_goal")
    process = Processor(config, TextTokenizer.packaged())
    image = np.full((224, 256, 3), 47, np.uint8)
    image[32:64, 32:80] = picture(0, 32, 48)
    request = Request("x", image, image_history=(image,))
    for again in (False, True):
        words = process([request], target="text", fixed_shape=fixed_shape, again=again)
        drawn = process([request], target="image", fixed_shape=fixed_shape, again=again)
        assert words.image.mask.sum() == words.image_history.mask.sum() == 6
        assert drawn.image_history.mask.sum() == 6
        assert drawn.image.mask.shape == (1, 224) and drawn.image.mask.all()
        assert drawn.image.positions[0].tolist() == list(range(224))
        assert words.image.mask.shape[1] == (160 if fixed_shape else 6)
    shown = drawn.image.values[0, words.image.positions[0, :6]]
    assert torch.equal(shown, words.image.values[0, :6])
    both = process([request, request], [Target(text="y"), Target(image=image)])
    assert both.image.mask.sum(1).tolist() == [6, 224]


def test_a_target_lies_over_its_image():
    """The three nearest-neighbour steps, drawn with PIL."""
    image, target = picture(0, 20, 40), picture(1, 33, 21)
    batch = small()([Request("x", image)], [Target(image=target)])
    laid = Image.new("RGB", (48, 48))
    laid.paste(Image.fromarray(target).resize((48, 24), Image.Resampling.NEAREST), (0, 12))
    expected = np.asarray(laid.resize((32, 32), Image.Resampling.NEAREST)) / 255 * 2 - 1
    assert np.allclose(batch.image_target.values[0], expected, atol=1e-6)
    rows = [12 <= (row + 0.5) * 48 / 4 < 36 for row in range(4)]  # a row of codes covers 12 of 48 pixels
    assert batch.image_target.mask[0].view(4, 4).tolist() == [[row] * 4 for row in rows]
    assert torch.equal(batch.image_target.mask, batch.image_target.loss_mask)


def test_a_target_without_an_image_is_resized_smoothly():
    target = picture(2, 60, 30)
    batch = small()([Request("x")], [Target(image=target)])
    values = batch.image_target.values[0].numpy()
    smooth = np.asarray(Image.fromarray(target).resize((16, 32), Image.Resampling.BILINEAR))
    assert np.allclose((values[:, 8:24] + 1) / 2, smooth / 255, atol=1.01 / 255)
    assert (values[:, :8] == -1).all() and (values[:, 24:] == -1).all()
    assert batch.image_target.mask[0].view(4, 4)[2].tolist() == [False, True, True, False]


def test_an_audio_target_is_masked_where_it_is_zero():
    sound = power(0, AUDIO_TARGET)
    sound[8:16] = 0  # the second of three rows of codes
    batch = small()([Request("x")], [Target(audio=sound)])
    assert batch.audio_target.mask[0].view(3, 2).tolist() == [[True, True], [False, False], [True, True]]
    expected = (np.log(sound[:8]) + 5.0945) / 3.8312
    assert np.allclose(batch.audio_target.values[0, :8, :, 0], expected, atol=1e-6)


def test_tags_follow_the_target():
    process = small()

    def tags(batch) -> list[str]:
        return [process.tokenizer.decode(row[:1].tolist()) for row in batch.text.tokens]

    plain = [Request("x")] * 3
    answers = ["text", Target(image=picture(0)), Target(audio=power(0, AUDIO_TARGET))]
    assert tags(process(plain, answers)) == ["[Text] [S]", "[Image] [S]", "[Audio] [S]"]
    assert tags(process(plain)) == ["[Text] [S]"] * 3
    assert tags(process(plain, target="image")) == ["[Image] [S]"] * 3
    assert tags(process(plain, target=["audio", "text", "image"])) == [
        "[Audio] [S]",
        "[Text] [S]",
        "[Image] [S]",
    ]
    with pytest.raises(RequestError, match="request 0 holds text and image: name"):
        process([Request("x")], [Target("a", picture(0))])
    with pytest.raises(RequestError, match="ask for 2 modalities"):
        process(plain, target=["text", "image"])


def test_patches_are_drawn_where_there_are_too_many():
    whole, few = small(), small(image_tokens=20, audio_tokens=5)
    request = Request("x", picture(0, 20, 40), audio=power(0))  # 18 of 36 patches are not padding
    everything = whole([request]).image
    assert everything.mask.sum() == 18
    batch = few([request], generator=np.random.default_rng(3))
    image = batch.image
    assert image.mask[0].tolist() == [True] * 18 + [False] * 2
    assert len(set(image.positions[0].tolist())) == 20
    assert image.positions[0].tolist() != sorted(image.positions[0].tolist())
    assert torch.equal(image.values[0], everything.values[0, image.positions[0]])
    assert batch.audio.mask.shape == (1, 5)
    other = few([request], generator=np.random.default_rng(4)).image
    assert not torch.equal(image.positions, other.positions)
    mixed = few([Request("y", picture(1)), request]).image  # no generator: no row depends on its batch
    assert torch.equal(mixed.positions[1], few([request]).image.positions[0])
    fixed = few([request], fixed_shape=True)
    assert fixed.image.mask.shape == (1, 20) and fixed.audio.mask.shape == (1, 5)


@pytest.mark.parametrize(
    ("request_", "target", "message"),
    [
        (Request("x", audio=power(0, (15, 8))), "y", "audio segment of request 0 must .* cut or pad"),
        (Request("x", audio_history=(power(0), power(1, (16, 9)))), "y", "history segment 2 of request 0"),
        (Request("x", audio_history=(power(0).astype(np.float64),)), "y", "float64"),
        (Request("x", audio=np.full(AUDIO, np.nan, np.float32)), "y", "NaN"),
        (Request("x", audio_history=(power(0),) * 9), "y", "9 audio history segments"),
        (Request("x"), Target(audio=power(0)), "audio target of request 0"),
        (Request("x"), Target(image=np.zeros((4, 4), np.uint8)), "image target of request 0"),
        (Request("x"), Target(), "holds nothing"),
        (Request(""), "y", "request 0 is empty"),
        (Request(" \n"), "y", "request 0 is empty"),
        (
            Request("to <image_history_3>", None, (picture(0),) * 2),
            "y",
            "<image_history_3>, and 2 history ima",
        ),
        (Request("in <image_input>", None, (picture(0),)), "y", "<image_input>, and 0 images"),
        (Request("<audio_history_1>", audio=power(0)), "y", "<audio_history_1>, and 0 history sounds"),
        (Request("<audio_input>", picture(0)), "y", "<audio_input>, and 0 sounds"),
    ],
)
def test_what_does_not_fit_is_refused(request_, target, message):
    with pytest.raises(RequestError, match=message):
        small()([request_], [target])


def test_what_a_text_names_may_be_more_than_named():
    """To name an input is optional, and a ninth history picture has no marker."""
    requests = [Request("", picture(0)), Request("x <image_history_9>"), Request("y", picture(0))]
    named = Request("<image_history_1>", None, (picture(0), picture(1)))
    assert small()([*requests, named]).text.tokens.shape[0] == 4


def test_modalities_a_model_lacks_are_refused():
    process = Processor(tiny_config(), TextTokenizer.packaged())
    with pytest.raises(RequestError, match="takes no audio; it takes text, image, image_history"):
        process([Request("x", audio=power(0))])
    with pytest.raises(RequestError, match="answers with text only"):
        process([Request("x")], [Target(image=picture(0))])
