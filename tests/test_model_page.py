"""What docs/model.md shows works: its Python runs from top to bottom, its commands run, its table is counted.

A model with random weights in the official format stands for the released one: the same inputs, targets and
numbers of tokens, at a width of 64.
"""

import dataclasses
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.training_memory import GIB, MOMENTS, counts
from docs.model_figure import draw, measure
from rollouts.cli import main
from rollouts.datasets.encoding import encode_episode
from rollouts.datasets.writer import DatasetWriter
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ScriptedPolicy
from tests.uio2_agent.test_video import write_video
from uio2_agent import Processor, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.formats.convert import convert
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

load = UnifiedIO2.from_pretrained
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "model.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUICKLY = ["steps=2", "workers=0", "threads=1", "device=cpu", "validation_episodes=2", "batch_size=2"]


def narrow_config() -> UnifiedIO2Config:
    """Return the official layout at a small width, for the packaged tokenizer."""
    base, tokenizer = UnifiedIO2Config.preset("base"), TextTokenizer.packaged()
    narrow = dict(width=32, heads=2, head_dim=16, mlp_dim=64)
    return dataclasses.replace(
        base,
        width=64,
        heads=2,
        head_dim=32,
        mlp_dim=64,
        encoder_layers=1,
        decoder_layers=1,
        text_rows=tokenizer.vocabulary.padded_size,
        image_encoder=dataclasses.replace(base.image_encoder, **narrow, layers=2),
        audio_encoder=dataclasses.replace(base.audio_encoder, **narrow, layers=2),
        image_history=dataclasses.replace(base.image_history, **narrow),
        audio_history=dataclasses.replace(base.audio_history, **narrow),
        image_tokenizer=VQGANConfig(width=32, blocks=1, multipliers=(1, 1, 1, 1)),
        audio_tokenizer=ViTVQGANConfig(**narrow, encoder_layers=1, decoder_layers=1),
    )


def stand_in(directory: Path) -> Path:
    """Write a small model in the official format."""
    torch.manual_seed(0)
    model = UnifiedIO2(narrow_config())
    model.processor = Processor(model.config, TextTokenizer.packaged())
    return convert(model.save_pretrained(directory / "ours"), directory / "uio2-large", official=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page speaks of: a model, a film with sound, recorded episodes."""
    folder = tmp_path_factory.mktemp("page")
    stand_in(folder)
    random = np.random.default_rng(0)
    frames = [np.full((48, 64, 3), 100 + 10 * number, np.uint8) for number in range(10)]
    write_video(folder / "film.mp4", frames, fps=2, wave=random.uniform(-0.5, 0.5, 80_000))
    work = work_list(["slide"], "placement", seed=0, episodes=20, env=TOY)
    with DatasetWriter(folder / "data" / "vima", {}) as writer:
        for episode in run_episodes(work, MakeEnv({"expert": True}), ScriptedPolicy()):
            writer.publish(encode_episode(episode))
    return folder


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found, f"{PAGE.name} has no {language} code"
    return found


def test_the_python_runs_from_top_to_bottom(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict = {}
    for number, code in enumerate(blocks("python")):
        exec(compile(code, f"{PAGE.name}, code {number + 1}", "exec"), names)
    said = capsys.readouterr().out
    assert re.search(r"torch\.Size\(\[1, \d+, 64\]\) of which valid: \d+\n", said), said
    assert {"text", "image"} == set(names["output"].losses)
    with Image.open("bowl.png") as picture:
        assert picture.size == (256, 256) and len(names["picture"].tokens) == 1024
    assert Path("rain.wav").stat().st_size > 2 * 60_000 and len(names["sound"].tokens) == 512
    assert len(names["texts"]) == 2 and names["losses"].shape == (3,)
    tuned, again = load("tuned"), names["again"]
    with again.merged():
        for name, value in names["model"].state_dict().items():
            torch.testing.assert_close(tuned.state_dict()[name], value)


def test_the_commands_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for line in "".join(blocks("sh")).splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "uio2"
        more = QUICKLY if words[0] == "train" else []
        assert main([*words, *more]) == 0, capsys.readouterr().err
    assert {path.suffix for path in Path("runs/bowl").iterdir()} >= {".png"}
    assert {path.suffix for path in Path("runs/rain").iterdir()} >= {".wav"}
    official, back = (load(name).state_dict() for name in ("uio2-large", "large-official"))
    for name, value in official.items():
        assert torch.equal(back[name].to(torch.bfloat16), value.to(torch.bfloat16)), name
    tuned = load("runs/tuned").config
    assert tuned.tokenizer is not None  # known from here on
    assert dataclasses.replace(tuned, tokenizer=None) == load("uio2-large").config
    assert Path("runs/tuned/adapter_model.safetensors").is_file()


def test_the_table_of_memory_is_counted():
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) M \| (.+) \|$", TEXT, re.MULTILINE)
    assert [row[0] for row in rows] == ["large", "xl", "xxl"]
    for size, parameters, rest in rows:
        model, loaded, adapters = counts(UnifiedIO2Config.preset(size), 16, ["query", "value"])
        whole, weights, learner, kept, total = (float(cell.strip("* ")) for cell in rest.split("|"))
        assert int(parameters.replace(",", "")) == round(model / 1e6)
        assert whole == pytest.approx(4 * (2 + MOMENTS) * model / GIB, abs=0.006)
        assert weights == pytest.approx((loaded + 4 * adapters) / GIB, abs=0.006)
        assert learner == pytest.approx(4 * (1 + MOMENTS) * adapters / GIB, abs=0.006)
        assert total == pytest.approx(weights + learner + kept, abs=0.02)


def test_the_figure_is_what_is_measured(rendering):
    found = measure(narrow_config())
    totals = [sum(row) for row in zip(*found.tokens.values(), strict=True)]
    assert re.findall(r"becomes (\d+)", TEXT) == [str(totals[0]), str(totals[2])]
    assert [found.targets[name][0] for name in ("image", "audio")] == [32 * 32, 32 * 16]
    with Image.open(ROOT / "docs" / "images" / "model.png") as shown:
        assert draw(found).size == shown.size


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT) + re.findall(r"`((?:docs|uio2_agent|pretrain)/\w+\.py)`", TEXT)
    for link in links:
        assert (PAGE.parent / link).exists() or (ROOT / link).exists(), link
    assert "images/model.png" in links
