"""A training of a target tokenizer: data, losses, two optimizers, state, drawings; `pretrain.loop` drives it.

A run is a function of its settings, as all trainings here: what step s sees follows from the seed and s.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from policies import embodiments
from policies.embodiments.base import Embodiment
from policies.style import PromptStyle, load_styles
from pretrain.checkpointing import STATE, content_digest, load_state, save_state
from pretrain.data_identity import check_unchanged, identities
from pretrain.errors import TrainingError
from pretrain.event_file import EventFile
from pretrain.example_stream import BadRecords, ExampleStream
from pretrain.guard import Diverged, Guard
from pretrain.logbook import Logbook
from pretrain.loop import drive
from pretrain.memory import keep_freed_memory
from pretrain.mixed_data import open_mixture
from pretrain.mixture_samples import read_recipe
from pretrain.mixture_table import read_table
from pretrain.optim import set_learning_rate
from pretrain.order import key_of
from pretrain.output import Output
from pretrain.pages.training import TrainingPage
from pretrain.processes import Processes
from pretrain.progress import say
from pretrain.schedule import Schedule
from pretrain.settings import SMALL
from pretrain.step_batches import step_batches
from pretrain.tokenizing.discriminator import PatchDiscriminator
from pretrain.tokenizing.material import audio_values, image_values, is_material
from pretrain.tokenizing.objective import TokenizerObjective
from pretrain.tokenizing.quantizing import CodeUse, through
from pretrain.tokenizing.settings import SETTINGS, TokenizerConfig
from pretrain.tokenizing.windows import detailed_window
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.files import new_file
from uio2_agent.formats.checkpoint import read_config
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.presets import PRESETS
from uio2_agent.tokenizers.storing import Tokenizer, load_tokenizer, save_tokenizer, tokenizer_file
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vqgan import VQGAN
from uio2_agent.unified_io2 import UnifiedIO2

DRAWINGS = "reconstructions.png"
_SMALL_GRID = 256
"""Most tokens of a picture of a small model, whose requests show less than a big one's."""
Values = tuple[Tensor, Tensor]
"""float32 [B, channels, height, width], and bool [B, height, width], what is not padding."""


def train_tokenizer(config: TokenizerConfig, ready: Callable[[], None] | None = None) -> Path:
    """Run or resume a training; return the tokenizer's file. Raises as `pretrain.pretraining.pretrain`."""
    run = drive(lambda: TokenizerRun(config), config.batch_size, ready)
    return tokenizer_file(run.directory, config.target)


class TokenizerRun:
    """One run."""

    def __init__(self, config: TokenizerConfig):
        self.config = config
        self.processes = Processes()
        self.device = config.torch_device
        self.output = Output(config.output)
        self.directory = self.output.path
        try:
            self._build()
        except BaseException:
            self.output.close()
            raise

    def _build(self) -> None:
        config = self.config
        if config.threads:
            torch.set_num_threads(config.threads)
        keep_freed_memory()
        torch.manual_seed(config.seed)
        self.tokenizer = start_tokenizer(config).to(self.device).train()
        shape = self.tokenizer.config
        critic = PatchDiscriminator(3 if config.target == "image" else 1).to(self.device)
        use = CodeUse(shape.codes, config.patience).to(self.device)
        self.objective = TokenizerObjective(self.tokenizer, critic, config.critic_start)
        self.objective.features.to(self.device)
        self.parts = {"tokenizer": self.tokenizer, "critic": critic, "use": use}
        self.optimizers = _Pair(self.tokenizer, critic)
        self.rate = Schedule(
            peak=config.learning_rate,
            steps=config.steps,
            warmup=config.warmup,
            decay_share=config.decay_share,
        ).rate
        self.guard = Guard()
        recipe = read_recipe(config.mixture, config.data)
        data = {name: entry for name, entry in recipe.data.items() if is_material(config.target, entry)}
        if not data:
            raise TrainingError(
                f"no source of {config.mixture} holds {config.target}s: name another mixture="
            )
        table = None if recipe.table is None else read_table(recipe.table)
        mixture, sources = open_mixture(data, config.seed, table, recipe.temperature)
        stream = ExampleStream(mixture, sources, config.held_back, _Material(config, shape))
        self.data = _Batches(stream, config, self._window(shape))
        self._identities = identities(stream)
        start = config.model if config.model in PRESETS else content_digest(self.tokenizer.state_dict())[:16]
        settings = {name: getattr(config, name) for name in SETTINGS} | {"model": start}
        self.settings = _plain(settings) | {"shape": _plain(dataclasses.asdict(shape))}
        self.step, notes = 0, {"means": {}, "bad": [], "data": self._identities}
        if config.resume and (self.directory / STATE).exists():
            self.step, notes = load_state(self.directory, self.settings, self.parts, self.optimizers)
            check_unchanged(notes["data"], self._identities)
        self.bad = BadRecords(config.bad_records, notes["bad"])
        self.saved = self.step
        with self.output.writing():
            if not self.step:
                (self.directory / STATE).unlink(missing_ok=True)
            sinks = [EventFile(self.directory / "tensorboard", self.step)] if config.tensorboard else []
            told = dataclasses.asdict(config)
            page = TrainingPage(self.directory, "tokenizer", config.steps, told, [DRAWINGS])
            self.book = Logbook(self.directory, self.step, notes["means"], sinks, page)
        kept = [each for name in stream.sources for each in stream.held(name, config.validation_examples)]
        held = [each.record for each in kept]
        self.validation = [_stacked(held[i : i + 16]) for i in range(0, len(held), 16)]
        say(f"data     {sum(mixture.lengths.values())} examples, {len(held)} held back are drawn")

    def _window(self, shape: Any) -> tuple[int, int]:
        """The size of windows, which patches must fill."""
        window = self.config.window
        if self.config.window_steps and any(
            side % patch for side, patch in zip(window, shape.patch_size, strict=True)
        ):
            raise TrainingError(
                f"window={list(window)}: its sides must be multiples of {shape.patch_size[0]}"
            )
        return window

    @property
    def kept(self) -> str:
        """What there is to go on from, in words."""
        return f"the state of step {self.saved} is kept" if self.saved else "nothing was saved"

    def batches(self) -> Iterator[tuple[Values, list[str]]]:
        """Return the batches from the next step on, with a line for each damaged record."""
        steps = range(self.step, self.config.steps)
        return step_batches(self.data, steps, self.config.workers)

    def learn(self, batch: tuple[Values, list[str]]) -> dict[str, float]:
        """Take a step of the tokenizer, and one of its critic; return the losses."""
        (real, inside), skipped = batch
        for line in self.bad.add(skipped):
            say(f"damaged  {line}")
        real, inside = real.to(self.device), inside.to(self.device)
        self.optimizers.set_rate(self.rate(self.step))
        drawn = self.objective(real, inside, self.step)
        values = {name: loss.item() for name, loss in drawn.losses.items()}
        self._check(values)
        self.optimizers.tokenizer.zero_grad(set_to_none=True)
        drawn.total.backward()
        self.optimizers.tokenizer.step()
        if self.step >= self.config.critic_start:
            loss = self.objective.criticise(real, drawn.values)
            values["critic's own"] = loss.item()
            self.optimizers.critic.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizers.critic.step()
        generator = torch.Generator().manual_seed(key_of("revived", self.config.seed, self.step))
        revived = self.parts["use"].settle(self.tokenizer, drawn.passed, generator)
        values = {f"training/{name}": value for name, value in values.items()}
        return values | {"codes/revived": revived, "speed/examples_per_s": len(real)}

    def record(self) -> None:
        """Add a point to the curves, and draw what is held back."""
        rate = {"rate/learning_rate": self.rate(self.step - 1)}
        with self.output.writing():
            self.book.record(self.step, rate | self.validate())

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Draw what is held back; return the mean absolute distance, the signal-to-noise ratio in dB of
        values that span 2, and how many codes were used as if all equally (their perplexity).
        """
        if not self.validation:
            return {}
        absolute, squared, count, chosen, drawn = 0.0, 0.0, 0, [], []
        for real, inside in self.validation:
            passed = through(self.tokenizer, real.to(self.device))
            seen = torch.where(inside[:, None], passed.decoded.cpu(), real)
            wrong = seen - real
            absolute += wrong.abs().sum().item()
            squared += wrong.square().sum().item()
            count += int(inside.sum()) * real.shape[1]
            chosen.append(passed.codes.flatten())
            drawn.append(torch.stack([real, seen], 1))
        self._draw(torch.cat(drawn)[:32])
        share = torch.cat(chosen).bincount(minlength=self.tokenizer.config.codes).double()
        share = share[share > 0] / share.sum()
        return {
            "validation/absolute": absolute / count,
            "validation/psnr_db": 10 * np.log10(4 * count / max(squared, 1e-12)),
            "codes/perplexity": float((-(share * share.log()).sum()).exp()),
        }

    def _draw(self, pairs: Tensor) -> None:
        """Write a sheet of pairs [N, 2, channels, H, W], the real above what became of it, four in a row."""
        levels = ((pairs.clamp(-1, 1) + 1) * 127.5).round().byte()
        levels = levels.expand(-1, -1, 3, -1, -1) if levels.shape[2] == 1 else levels
        levels = levels[: len(levels) // 4 * 4 or len(levels)]
        across = min(4, len(levels))
        tiles = levels.permute(0, 1, 3, 4, 2).flatten(1, 2)  # [N, 2 H, W, 3]
        sheet = tiles.unflatten(0, (-1, across)).transpose(1, 2).flatten(2, 3).flatten(0, 1)
        with new_file(self.directory / DRAWINGS) as file:
            Image.fromarray(sheet.numpy()).save(file, "PNG")

    def evaluation_is_due(self) -> bool:
        """Never: what is held back is drawn with each point of the curves."""
        return False

    def evaluate(self) -> None:
        """Nothing."""

    def save(self, whole: bool = True) -> None:
        """Write the state and the tokenizer."""
        with self.output.writing():
            notes = {"means": vars(self.book.means), "bad": self.bad.seen, "data": self._identities}
            save_state(self.directory, self.step, self.settings, self.parts, self.optimizers, notes)
            save_tokenizer(self.tokenizer, tokenizer_file(self.directory, self.config.target))
        self.saved = self.step

    def close(self) -> None:
        """Leave the output to others."""
        self.output.close()

    def _check(self, values: dict[str, float]) -> None:
        try:
            self.guard.admits(values)
        except Diverged as error:
            raise TrainingError(
                f"{error} after step {self.step}: start again in another output with a lower learning_rate= "
                f"(it is {self.config.learning_rate}); {self.kept}"
            ) from error


def start_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """Return the tokenizer that a run begins with: fresh, of a preset's shape, or a checkpoint's.

    Raises TrainingError for a model that has none.
    """
    fresh = config.model in PRESETS
    if not fresh and Path(config.model).is_file():
        return load_tokenizer(Path(config.model), config.target).requires_grad_(True)
    shapes = (
        UnifiedIO2Config.preset(config.model) if fresh else read_config(checkpoint_directory(config.model))[0]
    )
    shape = getattr(shapes, f"{config.target}_tokenizer")
    if shape is None:
        raise TrainingError(
            f"model={config.model} does not answer with {config.target}s and has no tokenizer of them: name "
            "another, for instance model=nano_goal"
        )
    if fresh:
        tokenizer = VQGAN(shape) if config.target == "image" else ViTVQGAN(shape)
    else:
        model = UnifiedIO2.from_pretrained(config.model, processor=False)
        tokenizer = getattr(model.targets, config.target).tokenizer
    return tokenizer.requires_grad_(True)


class _Pair:
    """The optimizers of a tokenizer and its critic, as one."""

    def __init__(self, tokenizer: torch.nn.Module, critic: torch.nn.Module):
        self.tokenizer, self.critic = (
            torch.optim.Adam(part.parameters(), lr=0.0, betas=(0.5, 0.9)) for part in (tokenizer, critic)
        )

    def set_rate(self, rate: float) -> None:
        for optimizer in (self.tokenizer, self.critic):
            set_learning_rate(optimizer, rate)

    def state_dict(self) -> dict[str, Any]:
        return {"tokenizer": self.tokenizer.state_dict(), "critic": self.critic.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.tokenizer.load_state_dict(state["tokenizer"])
        self.critic.load_state_dict(state["critic"])


class _Material:
    """A record, its source and number → what a tokenizer takes of it."""

    def __init__(self, config: TokenizerConfig, shape: Any):
        self._seed, self._shape = config.seed, shape
        alone = Path(config.model).is_file()
        self._small = math.prod(shape.grid) <= _SMALL_GRID if alone else config.model in SMALL
        fresh = alone or config.model in PRESETS
        self._stored = {} if fresh else load_styles(checkpoint_directory(config.model), embodiments.DEFAULT)
        self._is_image = config.target == "image"

    def __call__(self, record: Any, name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self._seed, number])
        if self._is_image:
            return image_values(record, rng, self._shape, self._style)
        return audio_values(record, rng, self._shape)

    def _style(self, body: Embodiment) -> PromptStyle:
        return self._stored.get(body.name) or body.style(self._small)


class _Batches:
    """The batch of a step, with a line for each damaged record that was left out."""

    def __init__(self, stream: ExampleStream, config: TokenizerConfig, window: tuple[int, int]):
        self._stream, self._size, self._seed = stream, config.batch_size, config.seed
        self._window, self._window_steps = window, config.window_steps

    def __getitem__(self, step: int) -> tuple[Values, list[str]]:
        fetched = [self._stream[step * self._size + place] for place in range(self._size)]
        skipped = [line for each in fetched for line in each.skipped]
        pairs = [each.record for each in fetched]
        if step < self._window_steps:
            rng = np.random.default_rng([key_of("windows", self._seed), step])
            pairs = [detailed_window(*pair, self._window, rng) for pair in pairs]
        return _stacked(pairs), skipped


def _stacked(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Values:
    values, inside = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(values)), torch.from_numpy(np.stack(inside))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Fields as JSON gives them back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
