"""Tokenizers learn: what passes the codes, the losses by hand, pictures that come out better, runs that
resume, and models that take a trained one.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from pretrain.errors import TrainingError
from pretrain.initialization import beginning, start_model
from pretrain.sources import records
from pretrain.sources.source import BadRecord
from pretrain.tokenizing.discriminator import PatchDiscriminator, RandomFeatures, hinge
from pretrain.tokenizing.material import audio_values, image_values
from pretrain.tokenizing.objective import TokenizerObjective
from pretrain.tokenizing.plain import tied
from pretrain.tokenizing.quantizing import COMMITMENT, CodeUse, Quantized, through
from pretrain.tokenizing.run import DRAWINGS, TokenizerRun, train_tokenizer
from pretrain.tokenizing.settings import TokenizerConfig
from pretrain.tokenizing.windows import detailed_window
from tests.pretrain.mixtures import toy_model
from uio2_agent.errors import CheckpointError
from uio2_agent.request import Request
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig
from uio2_agent.tokenizers.storing import load_tokenizer, save_tokenizer, tokenizer_file
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN

SMALL = VQGANConfig(
    width=32,
    multipliers=(1, 1),
    blocks=1,
    attention_resolutions=(),
    codes=16,
    image_size=(16, 32),
    patch_size=(2, 2),
)
SOUNDS = ViTVQGANConfig(
    width=32, heads=2, head_dim=16, mlp_dim=32, encoder_layers=1, decoder_layers=1, code_dim=8, codes=16
)


def values(kind: str, rows: int = 2) -> torch.Tensor:
    shape = (3, *SMALL.image_size) if kind == "image" else (1, *SOUNDS.spectrogram_size)
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)


def tokenizer(kind: str) -> VQGAN | ViTVQGAN:
    torch.manual_seed(0)
    return VQGAN(SMALL) if kind == "image" else ViTVQGAN(SOUNDS)


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_what_passes_is_what_the_tokenizer_encodes_and_decodes(kind: str) -> None:
    network, real = tokenizer(kind), values(kind)
    passed = through(network, real)
    codes = network.encode(real if kind == "image" else real[:, 0])
    decoded = network.decode(codes)
    assert torch.equal(passed.codes, codes)
    torch.testing.assert_close(passed.decoded.squeeze(1), decoded, atol=5e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_gradients_pass_the_codes_as_if_they_were_not_there(kind: str) -> None:
    network, real = tokenizer(kind), values(kind)
    seen = []
    first = network.post_quant_conv if kind == "image" else network.decoder
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    made = network.quant_conv if kind == "image" else network.encoder.encoder_norm
    made.register_forward_hook(lambda *parts: seen.append(parts[-1]))
    through(network, real).decoded.square().sum().backward()
    vectors, read = seen
    network.zero_grad()
    passed = through(network, real)
    vectors, read = seen[2:]
    before, after = torch.autograd.grad(passed.decoded.square().sum(), [vectors, read])
    if kind == "image":
        torch.testing.assert_close(before, after)
    else:  # unit vectors: the part along a vector is lost
        unit = F.normalize(vectors, dim=-1)
        along = (after * unit).sum(-1, keepdim=True) * unit
        torch.testing.assert_close(before, (after - along) / vectors.norm(dim=-1, keepdim=True))


def test_the_loss_of_codes_by_hand() -> None:
    network, real = tokenizer("image"), values("image")
    with torch.no_grad():
        vectors = network.features(real).flatten(2).transpose(1, 2).numpy()
    book = network.quantize["embedding"].weight.detach().numpy()
    squared = ((vectors[:, :, None] - book) ** 2).sum(-1).min(-1)
    expected = (1 + COMMITMENT) * squared.mean() / SMALL.code_dim
    assert through(network, real).loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_hinge_and_the_distance_of_features() -> None:
    real, drawn = torch.tensor([2.0, 0.5]), torch.tensor([-2.0, 0.0])
    assert hinge(real, drawn).item() == pytest.approx((0.25 + 0.5) / 2)
    distance, picture = RandomFeatures(3), values("image")
    assert distance(picture, picture).item() == 0
    near, far = picture + 0.05, picture.flip(-1)
    assert 0 < distance(picture, near).item() < distance(picture, far).item()
    assert torch.equal(distance.layers[0].weight, RandomFeatures(3).layers[0].weight)


def test_padding_is_neither_judged_nor_learned() -> None:
    network, real = tokenizer("image"), values("image")
    objective = TokenizerObjective(network, PatchDiscriminator(3), start=100)
    inside = torch.ones(2, *SMALL.image_size, dtype=torch.bool)
    inside[:, :, 16:] = False
    drawn = objective(real, inside, step=0)
    assert torch.equal(drawn.values[..., 16:], real[..., 16:])
    with torch.no_grad():
        plain = (through(network, real).decoded - real)[..., :16].abs().mean()
    assert drawn.losses["pixels"].item() == pytest.approx(plain.item(), rel=1e-5)


def test_codes_that_nobody_chooses_come_to_life_where_vectors_lie() -> None:
    network, real = tokenizer("image"), values("image")
    with torch.no_grad():
        network.quantize["embedding"].weight[8:] = 1000.0
    use = CodeUse(SMALL.codes, patience=3)
    generator = torch.Generator().manual_seed(0)
    revived = [use.settle(network, through(network, real), generator) for _ in range(3)]
    assert revived[:2] == [0, 0] and revived[2] >= 8
    vectors = through(network, real).vectors.flatten(0, 1)
    moved = network.quantize["embedding"].weight[8:].detach()
    assert torch.cdist(moved, vectors, compute_mode="donot_use_mm_for_euclid_dist").min(1).values.max() < 1e-4


def test_codes_come_to_life_where_none_lies_not_where_most_vectors_do() -> None:
    """Nine tenths of a step lie around one code, the rest elsewhere: the rest gets the codes."""
    network = tokenizer("image")
    generator = torch.Generator().manual_seed(0)
    near, far = (torch.randn(count, SMALL.code_dim, generator=generator) for count in (90, 10))
    vectors = torch.cat([near * 0.01, far * 2])
    with torch.no_grad():
        network.quantize["embedding"].weight.fill_(0.0)
    codes = torch.zeros(1, 100, dtype=torch.int64)
    passed = Quantized(torch.zeros(1), codes, vectors[None], torch.zeros(1))
    use = CodeUse(SMALL.codes, patience=1)
    use.idle[9:] = -9  # these wait longer
    assert use.settle(network, passed, generator) == 8  # all of the first nine but the one that was chosen
    moved = network.quantize["embedding"].weight[1:9].detach()
    hit = torch.cdist(moved, vectors).argmin(1)
    assert (hit >= 90).all() and len(hit.unique()) == 8


def test_plain_patches_of_a_colour_have_the_code_of_most() -> None:
    values = torch.zeros(2, 3, 16, 32)
    values[1, :, :8] = 0.9
    values[0, 0, 3, 3] = 1.0  # this patch is not plain
    codes = torch.tensor([[7, 1, 2, 2, 2, 3, 1, 5], [4, 6, 6, 0, 9, 9, 9, 2]])
    wanted = torch.tensor([[7, 2, 2, 2, 2, 2, 2, 2], [6, 6, 6, 6, 2, 2, 2, 2]])
    # of the dark plain patches four chose 2, three 9; of the bright ones two chose 6
    assert torch.equal(tied(codes, values, 8), wanted)
    noisy = torch.rand(2, 3, 16, 32) * 2 - 1
    assert torch.equal(tied(codes, noisy, 8), codes)


def test_material_is_what_a_model_is_asked_to_draw() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, :8] = 255
    found, inside = image_values(
        records.ImageTextRecord(picture, "x"), rng, SMALL, lambda body: body.style(small=True)
    )
    assert found.shape == (3, 16, 32) and inside.sum() == 256 and set(np.unique(found)) == {-1.0, 1.0}
    assert inside[:, 8:24].all()
    with pytest.raises(BadRecord, match="TextRecord holds no picture"):
        image_values(records.TextRecord("x"), rng, SMALL, lambda body: body.style(small=True))
    wave = np.sin(np.arange(4.08 * 16_000) / 5).astype(np.float32)
    sound, heard = audio_values(records.SoundTextRecord(wave, "x"), rng, SOUNDS)
    assert sound.shape == (1, 128, 256) and heard.mean() > 0.9
    tone, highest = 16_000 / (2 * np.pi * 5) / (200 / 3), 15 + 27 * np.log(8) / np.log(6.4)  # mel
    assert abs(int(sound[0].mean(1).argmax()) - (tone / highest * 129 - 1)) < 1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy_model(tmp_path_factory.mktemp("start") / "model")


def config(model: str, output: Path, **changes: object) -> TokenizerConfig:
    fields = dict(
        target="image",
        model=model,
        mixture="generated",
        output=str(output),
        steps=6,
        batch_size=4,
        critic_start=3,
        learning_rate=0.003,
        warmup=1,
        held_back=0.2,
        validation_examples=2,
        workers=0,
        threads=1,
        device="cpu",
        log_every=2,
        tensorboard=False,
    )
    return TokenizerConfig(**(fields | changes))


def points(output: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{name: v for name, v in each.items() if not name.startswith("speed/")} for each in records]


def test_pictures_come_out_better_and_are_shown(model: str, tmp_path: Path) -> None:
    path = train_tokenizer(config(model, tmp_path, steps=24, log_every=8, critic_start=20))
    first, *_, last = points(tmp_path)
    assert last["validation/psnr_db"] > first["validation/psnr_db"] + 1
    assert last["validation/absolute"] < first["validation/absolute"]
    assert "training/critic's own" in last
    shape = load_tokenizer(path, "image").config
    with Image.open(tmp_path / DRAWINGS) as sheet:
        assert sheet.size[0] == 4 * shape.image_size[1] and sheet.size[1] % (2 * shape.image_size[0]) == 0


@pytest.mark.parametrize("target", ["image", "audio"])
def test_a_run_that_was_stopped_is_the_run_that_was_not(target: str, model: str, tmp_path: Path) -> None:
    asked = dict(target=target, steps=4, batch_size=1, critic_start=1, validation_examples=1)
    model = model if target == "image" else "nano_all"
    whole = train_tokenizer(config(model, tmp_path / "whole", **asked))
    run = TokenizerRun(config(model, tmp_path / "cut", **asked))
    for batch in run.batches():
        run.learn(batch)
        run.step += 1
        if run.step == 2:
            break
    run.save()
    run.close()
    cut = train_tokenizer(config(model, tmp_path / "cut", **asked))
    one, two = (load_tokenizer(path, target).state_dict() for path in (whole, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(TrainingError, match="learning_rate"):
        train_tokenizer(config(model, tmp_path / "cut", **asked, learning_rate=0.1))
    with pytest.raises(TrainingError, match="data are not those"):
        train_tokenizer(config(model, tmp_path / "cut", **asked, held_back=0.5))


def test_windows_lie_where_there_is_most_to_see() -> None:
    values, inside = np.zeros((3, 32, 64), np.float32), np.ones((32, 64), bool)
    values[:, 8:24, 40:56] = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16))
    values[:, :, :16], inside[:, :16] = np.random.default_rng(1).uniform(-1, 1, (3, 32, 16)), False
    seen = [detailed_window(values, inside, (16, 16), np.random.default_rng(seed))[0] for seed in range(100)]
    share = np.mean([np.abs(window).sum() > 16 * 16 * 3 * 0.05 for window in seen])
    drawn = [rng.integers(17) + 1j * rng.integers(49) for rng in map(np.random.default_rng, range(4000))]
    chance = np.mean([abs(place.real - 8) < 16 and abs(place.imag - 40) < 16 for place in drawn])
    assert share > 1 - (1 - chance) ** 3 > chance
    whole, kept = detailed_window(values, inside, (99, 99), np.random.default_rng(0))
    assert np.array_equal(whole, values) and np.array_equal(kept, inside)


def test_a_run_begins_with_windows_and_from_a_file(model: str, tmp_path: Path) -> None:
    asked = dict(steps=3, window_steps=2, window=(8, 16), batch_size=2, critic_start=9)
    first = train_tokenizer(config(model, tmp_path / "first", **asked))
    run = TokenizerRun(config(str(first), tmp_path / "second", **asked))
    began = {name: value.clone() for name, value in run.tokenizer.state_dict().items()}
    trained = load_tokenizer(first, "image").state_dict()
    assert all(torch.equal(began[name], trained[name]) for name in trained)
    sides = [tuple(batch[0][0].shape[2:]) for batch in run.batches()]
    assert sides == [(8, 16), (8, 16), run.tokenizer.config.image_size]
    run.save()
    run.close()
    moved = first.rename(tmp_path / "moved.safetensors")
    train_tokenizer(config(str(moved), tmp_path / "second", **asked))  # the same weights elsewhere
    save_tokenizer(load_tokenizer(moved, "image").apply(nudge), moved)
    with pytest.raises(TrainingError, match="model"):
        train_tokenizer(config(str(moved), tmp_path / "second", **asked))
    with pytest.raises(TrainingError, match="multiples of"):
        train_tokenizer(config(model, tmp_path / "third", **asked | {"window": (7, 16)}))
    with pytest.raises(TrainingError, match="height and a width"):
        config(model, tmp_path / "third", window=(7,))
    with pytest.raises(TrainingError, match="for pictures"):
        config(model, tmp_path / "third", target="audio", window_steps=1)


def nudge(part: torch.nn.Module) -> None:
    """Move the biases of a network a little."""
    if getattr(part, "bias", None) is not None:
        part.bias.data += 0.01


def test_a_model_takes_a_trained_tokenizer(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path, "image")
    shape = dataclasses.replace(SMALL, image_size=(16, 16), codes=300)
    trained = VQGAN(shape)
    save_tokenizer(trained, path)
    fresh, _ = start_model("nano_goal", tokenizers={"image": str(path)})
    assert fresh.config.image_tokenizer == shape
    assert (fresh.config.image_rows, fresh.config.image_target_length) == (384, 64)
    real = torch.rand(1, 16, 16, 3) * 2 - 1
    assert torch.equal(fresh.targets["image"].codes(real), trained.encode(real.permute(0, 3, 1, 2)))
    with pytest.raises(TrainingError, match="nano_house does not answer with images"):
        start_model("nano_house", tokenizers={"image": str(path)})
    with pytest.raises(TrainingError, match="no tokenizer of the shape"):
        start_model(toy_model(tmp_path / "toy"), tokenizers={"image": str(path)})


def test_a_fresh_model_that_inherits_answers_as_the_trained_one() -> None:
    heir, styles = start_model("nano_goal", inherit="nano")
    nano, own = start_model("nano", trained=True)
    assert beginning("nano_goal", inherit="nano") == "a fresh nano_goal with the weights of nano"
    assert beginning("nano", trained=True) == "the weights of nano"
    heir.eval()
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (128, 256, 3), np.uint8)
    request = Request("put <image_history_1> on the table", picture, (picture[:64, :128],))
    texts = [
        network.generate([request], target="text", max_new_tokens=12)[0].text for network in (heir, nano)
    ]
    assert texts[0] == texts[1] != ""
    assert styles == own
    with pytest.raises(TrainingError, match="for fresh weights"):
        start_model("nano", trained=True, inherit="nano")


def test_files_that_are_no_tokenizer(tmp_path: Path) -> None:
    path = tokenizer_file(tmp_path, "image")
    with pytest.raises(CheckpointError, match="train-tokenizer image"):
        load_tokenizer(path, "image")
    save_tokenizer(VQGAN(SMALL), path)
    with pytest.raises(CheckpointError, match="no tokenizer of audios"):
        load_tokenizer(path, "audio")
    whole = path.read_bytes()
    for broken in (whole[:-7], whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:], b"", b"x" * 4000):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError):
            load_tokenizer(path, "image")


def test_a_preset_of_the_name_of_a_trained_model_is_told_to_be_fresh() -> None:
    fresh, _ = start_model("nano")
    nano, _ = start_model("nano", trained=True)
    assert beginning("nano").startswith("a fresh nano; inherit=")
    assert not torch.equal(fresh.text_table.weight, nano.text_table.weight)
