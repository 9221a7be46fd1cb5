"""Pre-training on a mixture: one process, or any number that `torchrun` starts.

A run is a function of its settings: the examples of a step follow from the seed and its number, and sums go
over all of them, so that neither the number of processes nor a kill changes the curves. Weights, moments and
gradients are dealt out over the processes (FSDP2).
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from policies import embodiments
from policies.style import PromptStyle, save_styles
from pretrain.checkpointing import content_digest
from pretrain.data_identity import check_unchanged
from pretrain.errors import TrainingError
from pretrain.event_file import EventFile
from pretrain.example_stream import BadRecords
from pretrain.flops import BACKWARD, peak_of, transformer_flops
from pretrain.guard import Diverged, Guard
from pretrain.half_products import halve_products
from pretrain.initialization import beginning, start_model
from pretrain.logbook import Logbook, Sink, WandbSink
from pretrain.loop import drive
from pretrain.memory import keep_freed_memory
from pretrain.mixture_batches import MixtureBatches, OneEach, Portion, Samples
from pretrain.mixture_objective import MixtureObjective
from pretrain.optim import build_named_optimizer
from pretrain.output import Output
from pretrain.packing import BestFitPacker, Limits
from pretrain.pages.training import TrainingPage
from pretrain.pretrain_settings import SETTINGS, PretrainConfig
from pretrain.processes import Processes
from pretrain.progress import say
from pretrain.schedule import InverseSquareRoot, Schedule
from pretrain.settings import SMALL, takes_along
from pretrain.sharded_state import STATES, ShardedStates
from pretrain.sharding import compile_layers, recompute_layers, shard
from pretrain.step import LOSS, NORM, Step
from pretrain.step_batches import step_batches
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.inputs.processor import Processor
from uio2_agent.labels.controls import ControlSpace, load_controls, save_controls
from uio2_agent.modalities import patch_modalities
from uio2_agent.presets import PRESETS
from uio2_agent.unified_io2 import UnifiedIO2

Opener = Callable[
    [PretrainConfig, UnifiedIO2, Mapping[str, PromptStyle], Mapping[str, ControlSpace]], Samples
]
"""Opens the mixture for a model, the styles of its requests by embodiment, and the ranges of robots' actions
by source that it has learned already."""


def pretrain(
    config: PretrainConfig,
    open_samples: Opener,
    ready: Callable[[], None] | None = None,
) -> Path:
    """Run or resume a pre-training; return the checkpoint directory (`output`).

    `ready` is called in the first process, before the first step. Raises TrainingError for a state of another
    run or a loss that went out of bounds, and what the sources raise for data that cannot be read.
    """
    return drive(lambda: PretrainRun(config, open_samples), config.batch_size, ready).directory


class PretrainRun:
    """One run on a mixture: builds its parts; `pretrain.loop` drives it."""

    def __init__(self, config: PretrainConfig, open_samples: Opener):
        self.config = config
        self.processes = Processes.joined()
        self.device = config.torch_device
        self.directory = Path(config.output)
        self.output = Output(config.output) if self.processes.is_first else None
        self.states: ShardedStates | None = None
        try:
            self._build(open_samples)
        except BaseException:
            self.close()
            raise

    def _build(self, open_samples: Opener) -> None:
        config, processes = self.config, self.processes
        if config.batch_size < processes.count * config.accumulate:
            raise TrainingError(
                f"batch_size={config.batch_size} is too small for {processes.count} processes and "
                f"accumulate={config.accumulate}: each portion needs an example"
            )
        if config.threads:
            torch.set_num_threads(config.threads)
        keep_freed_memory()
        torch.set_flush_denormal(True)
        torch.manual_seed(config.seed)
        self.model, stored = start_network(config)
        styles = {
            name: stored.get(name) or embodiments.get(name).style(small=config.model in SMALL)
            for name in embodiments.names()
        }
        learned = {} if config.model in PRESETS else load_controls(checkpoint_directory(config.model))
        samples = open_samples(config, self.model, styles, learned)
        self.styles = stored | {name: styles[name] for name in samples.embodiments}
        self.controls = learned | dict(samples.controls)
        limits = row_limits(config, self.model.config)
        packer = OneEach(limits) if "packing" in (config.without or ()) else BestFitPacker(limits)
        self.data = MixtureBatches(
            samples,
            self.model.processor,
            packer,
            config.batch_size,
            config.accumulate,
            processes,
            config.patch_share,
            config.seed,
        )
        self.model.to(self.device).train()
        if self.model.config.freeze_vit:
            for encoder in (self.model.image_encoder, self.model.audio_encoder):
                if encoder is not None:
                    encoder.requires_grad_(False)
        half_precision = config.dtype == "bfloat16"
        if half_precision and self.device.type == "cpu":
            halve_products(self.model)
            half_precision = False  # no more of it
        objective = self.objective = MixtureObjective(
            self.model, config.loss_weights, config.z_loss, half_precision
        )
        if config.recompute:
            recompute_layers(self.model)
        if config.compile:
            compile_layers(self.model)
        if processes.count > 1:
            shard(objective, half_precision)
        self.optimizer = build_named_optimizer(config.optimizer, self.model, config.weight_decay)
        self.rate = schedule_of(config)
        self.guard = Guard(config.skips, config.spike)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self._take = Step(
            objective, learning, self.optimizer, self.rate, self.guard, processes, watched=(LOSS, NORM)
        )
        self.settings = {name: _plain(getattr(config, name)) for name in SETTINGS}
        if takes_along(config):
            self.settings["start"] = content_digest(self.model.state_dict())[:16]
        self._identities = samples.identities
        self.states = ShardedStates(self.directory, processes)
        self.step, self.refused, means, bad = 0, 0, {}, []
        if not config.resume:
            self.states.clear()
        if config.resume and (newest := self.states.newest()) is not None:
            notes = self.states.load(newest, self.model, self.optimizer, self.settings)
            self.step, self.refused = notes["step"], notes["refused"]
            means, bad = notes["means"], notes["bad"]
            check_unchanged(notes["data"], samples.identities)
            self.guard.restore(notes["guard"])
        self.bad = BadRecords(config.bad_records, bad)
        self.saved = self.step
        page = TrainingPage(self.directory, "pre-training", config.steps, dataclasses.asdict(config))
        directory = self.directory if processes.is_first else None
        self.book = Logbook(directory, self.step, means, self._sinks(), page)
        self.validation = self._held(samples)
        self._peak = peak_of(self.device)
        if processes.is_first:
            say(f"start    {beginning(config.model, inherit=config.inherit)}")
            say(f"data     {len(samples.identities['sources'])} sources, for {processes.count} processes")

    def _sinks(self) -> list[Sink]:
        config = self.config
        if not self.processes.is_first:
            return []
        sinks: list[Sink] = []
        if config.tensorboard:
            sinks.append(EventFile(self.directory / "tensorboard", self.step))
        if config.wandb is not None:
            sinks.append(WandbSink(config.wandb, self.directory, dataclasses.asdict(config)))
        return sinks

    def batches(self) -> Iterator[list[Portion]]:
        """Return this process's portions from the next step on."""
        steps = range(self.step, self.config.steps)
        return step_batches(self.data, steps, self.config.workers)

    def learn(self, portions: list[Portion]) -> dict[str, float]:
        """Take a step; return the loss of each modality, and what was taken in over all processes."""
        self._name_skipped([line for portion in portions for line in portion.skipped])
        with self._advising():
            losses = self._take([portion.to(self.device) for portion in portions], self.step)
        lengths = [length for portion in portions for length in portion.lengths]
        work = BACKWARD * transformer_flops(self.model.config, lengths)
        refused = sum(portion.refused for portion in portions)
        amounts = torch.tensor([sum(map(sum, lengths)), work, refused], dtype=torch.float64)
        tokens, work, refused = self.processes.sum(amounts).tolist()
        self.refused += int(refused)
        values = {f"training/{name}": value for name, value in losses.items()}
        values |= {"speed/examples_per_s": self.config.batch_size, "speed/tokens_per_s": tokens}
        if self._peak:
            values["speed/mfu"] = work / (self._peak * self.processes.count)
        return values

    def record(self) -> None:
        """Add a point to the curves: means over the steps since the last one, and the validation's losses."""
        now = {
            "rate/learning_rate": self.rate(self.step - 1),
            "left_out/skipped_steps": self.guard.skipped,
            "left_out/refused_examples": self.refused,
            "left_out/damaged_examples": len(self.bad),
        }
        now |= self.validate()
        with self._writing():
            self.book.record(self.step, now)

    def validate(self) -> dict[str, float]:
        """Losses on held-back examples."""
        if self.validation is None:
            return {}
        totals = self.processes.sum(self.objective.counts(self.validation))
        with torch.no_grad():
            _, losses = self.objective(self.validation, self.step, totals)
        sums = self.processes.sum(torch.stack(list(losses.values()))).tolist()
        values = zip(losses, sums, totals.tolist(), strict=True)
        return {f"validation/{name}": value for name, value, tokens in values if tokens}

    def _held(self, samples: Samples) -> Portion | None:
        """This process's share of the held-back examples, if there is one for each process."""
        held = samples.held(self.config.validation_examples) if self.config.validation_examples else []
        if len(held) < self.processes.count:
            return None
        mine = range(self.processes.rank, len(held), self.processes.count)
        return self.data.portion([held[number] for number in mine], mine).to(self.device)

    def _name_skipped(self, lines: list[str]) -> None:
        """Count damaged records, and say which they are."""
        for line in self.bad.add(self.processes.gather(lines)):
            if self.processes.is_first:
                say(f"damaged  {line}")

    def evaluation_is_due(self) -> bool:
        """Never: a pre-trained model is evaluated by commands of its own."""
        return False

    def evaluate(self) -> None:
        """Nothing."""

    def save(self, whole: bool = True) -> None:
        """Begin to write a state; with `whole` wait for it, and write the checkpoint that others load too."""
        with self._writing():
            notes = {
                "settings": self.settings,
                "data": self._identities,
                "means": vars(self.book.means),
                "guard": self.guard.state(),
                "refused": self.refused,
                "bad": self.bad.seen,
            }
            if self.step > self.saved:
                self.states.save(self.step, self.model, self.optimizer, notes)
            if whole:
                self.states.finish()
                self._export()
        self.saved = self.step

    def close(self) -> None:
        """Leave the output to others, and the other processes, when what is being written is whole."""
        if self.states is not None and self.processes.count == 1:
            self.states.finish()
        if self.output is not None:
            self.output.close()
        self.processes.leave()

    @property
    def kept(self) -> str:
        """What there is to go on from, in words."""
        return f"the state of step {self.saved} is kept" if self.saved else "nothing was saved"

    def _export(self) -> None:
        """Write the weights as one file, and how requests and actions look, from the first process."""
        if self.processes.is_first:
            if self.styles:
                save_styles(self.directory, self.styles)
            if self.controls:
                save_controls(self.directory, self.controls)
        if self.processes.count == 1:
            self.model.save_pretrained(self.directory)
            return
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(self.model, options=options)
        if self.processes.is_first:
            with torch.device("meta"):
                whole = UnifiedIO2(self.model.config)
            whole.load_state_dict(weights, assign=True)
            whole.processor = self.model.processor
            whole.save_pretrained(self.directory)
        self.processes.wait()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.output is None:
            yield
        else:
            with self.output.writing():
                yield

    @contextmanager
    def _advising(self) -> Iterator[None]:
        """Say what to do where a run went out of bounds."""
        try:
            yield
        except Diverged as error:
            raise TrainingError(
                f"{error} at step {self.step}: start again in another output with a lower learning_rate= (it "
                f"is {self.config.learning_rate}), more warmup= or a higher spike=; {self.kept}, in "
                f"{self.directory / STATES}"
            ) from error


def start_network(config: PretrainConfig) -> tuple[UnifiedIO2, dict[str, PromptStyle]]:
    """Return the model a run starts from, and how requests look to the embodiments that it knows.

    A fresh one has the paper's method whole, but for what it is `without`; a trained one has its own but for
    that.
    """
    model, stored = start_model(config.model, **config.takes)
    method = {"sparse_patterns": True, "dynamic_masking": True} if config.model in PRESETS else {}
    method |= {name: False for name in config.without or () if name != "packing"}
    changed = dataclasses.replace(model.config, **method)
    if changed == model.config:
        return model, stored
    if changed.qk_norm == model.config.qk_norm:
        weights = model.state_dict()
    elif config.model in PRESETS:
        weights = None
    else:
        raise TrainingError("without=qk_norm needs fresh weights: start from a preset with model=")
    torch.manual_seed(config.seed)
    fresh = UnifiedIO2(changed)
    if weights is not None:
        fresh.load_state_dict(weights)
    fresh.processor = Processor(changed, model.processor.tokenizer)
    return fresh, stored


def row_limits(config: PretrainConfig, model: UnifiedIO2Config) -> Limits:
    """Return the most tokens of a packed row: as asked for, else as many as one example may have."""
    inputs = model.text_input_length + sum(
        part.usual_pieces * part.resampler.latents if part.is_history else part.most_positions
        for name, part in patch_modalities(model).items()
        if name in model.input_modalities
    )
    targets = max(getattr(model, f"{name}_target_length") for name in model.target_modalities)
    return Limits(config.encoder_row or inputs, config.decoder_row or targets)


def schedule_of(config: PretrainConfig) -> Callable[[int], float]:
    """Return the learning rate by step."""
    if config.schedule == "uio2":
        return InverseSquareRoot(base=config.learning_rate, warmup=config.warmup).rate
    return Schedule(
        peak=config.learning_rate,
        steps=config.steps,
        shape=config.schedule,
        warmup=config.warmup,
        decay_share=config.decay_share,
    ).rate


def _plain(value: Any) -> Any:
    """A setting as JSON gives it back."""
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, dict) else value
