"""Supervised training of any size on collected episodes: first the eye, then everything.

A run has two phases in one schedule: for `eye_steps` only the image encoder learns, from dense labels
(`pretrain.dense_heads`); after that the whole model learns action text and boxes text under teacher forcing,
the dense labels going on at a smaller weight. A run can be stopped at any time (Ctrl-C, or a kill) and goes
on from its last saved step with the very batches it would have had, on CPU or GPU. It knows no simulator:
evaluation is a callable handed in.

With `lora_rank` only low-rank adapters learn (`pretrain.lora`), beside the head of the roles: the image
encoder stands still, so there is no first phase and no dense label. The state then holds the adapters alone,
and the checkpoint, with the adapters merged in, is written for evaluations and at the end.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.data import DataLoader

from policies import embodiments
from policies.style import PromptStyle, save_styles
from pretrain.checkpointing import STATE, TrainingError, load_state, save_state
from pretrain.curves import Curves
from pretrain.defaults import defaults_from
from pretrain.dense_heads import DenseHeads, Labels, Watch, look
from pretrain.examples import Example, ExampleOptions, Labeller, TrainingBatches, cameras_of, plan_example
from pretrain.initialization import start_model
from pretrain.lora import Lora
from pretrain.losses import TextLoss
from pretrain.memory import keep_freed_memory
from pretrain.moments import moment
from pretrain.optim import build_optimizer, set_learning_rate
from pretrain.schedule import Schedule
from pretrain.sources import FIRST_HELD_OUT_SEED, EpisodeFolders, StoredEpisode
from pretrain.sources.schema import episode_identity
from uio2_agent.inputs.processor import Batch

SETTINGS_FILE = Path(__file__).with_name("train.yaml")
Evaluate = Callable[[Path, int], Mapping[str, float]]
"""Called as evaluate(checkpoint directory, step) -> numbers for the curves, named `group/curve`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
@defaults_from(SETTINGS_FILE)
class TrainConfig:
    """A training run."""

    data: tuple[str, ...]
    """Dataset directories: those `uio2 collect` makes, or of another form that `pretrain.sources` reads."""
    output: str
    """Directory of the checkpoint, the state and the curves."""
    model: str
    """A preset (fresh weights), a packaged name, or a checkpoint directory to start from."""
    lora_rank: int
    """Rank of adapters that learn in place of the model, which must be trained then; 0 trains the model."""
    lora_alpha: float
    """Adapters count alpha / rank times."""
    lora_targets: str
    """Layers with adapters, among query, key, value, out, gate, up, down of the encoder and decoder."""
    steps: int
    """Optimizer steps, the eye's included."""
    eye_steps: int
    """First steps, in which the image encoder learns alone."""
    batch_size: int
    learning_rate: float
    """Peak rate."""
    schedule: str
    """Shape of the learning rate: one of `pretrain.schedule.SHAPES`."""
    warmup: int
    """Steps of linear warm-up, at the start of each phase."""
    decay_share: float
    """Last part of the run, in which the rate of wsd falls to zero."""
    weight_decay: float
    eye_weight: float
    """Weight of the dense losses once the whole model learns; 0 freezes the image encoder then."""
    sigma: float
    """Width of a location's soft label, in bins; 0 for hard labels."""
    style: Mapping[str, Any]
    """Changes to the styles of requests (`policies.style.PromptStyle`) of the model and its embodiments."""
    boxes_share: float
    """Share of examples that ask for all objects' boxes."""
    augment: bool
    """Draw symmetries of the embodiment (a mirrored table) at random, where a task allows them."""
    validation_episodes: int
    """Episodes spread over the data: never trained on, their losses are drawn beside the training's."""
    seed: int
    device: str
    """cpu, cuda, or auto."""
    dtype: str
    """float32, or bfloat16 (autocast; weights stay float32, those under adapters become bfloat16)."""
    threads: int
    """CPU threads of torch; 0 leaves its default."""
    workers: int
    """Processes that prepare batches."""
    log_every: int
    save_every: int
    evaluate_every: int
    """Steps between evaluations; 0 for none."""
    resume: bool
    """Go on from the state in `output`, if there is one."""
    stop_after: float
    """Minutes after which to save and stop (to go on later); 0 for never."""


SMALL = ("nano",)
"""Presets whose requests are written for a small model."""
SETTINGS = [
    "data",
    "model",
    "lora_rank",
    "lora_alpha",
    "lora_targets",
    "steps",
    "eye_steps",
    "batch_size",
    "learning_rate",
    "schedule",
    "warmup",
    "decay_share",
    "weight_decay",
    "eye_weight",
    "sigma",
    "boxes_share",
    "augment",
    "validation_episodes",
    "seed",
    "dtype",
]
"""What a resumed run must share with the one it goes on from."""


def train(config: TrainConfig, evaluate: Evaluate | None = None) -> Path:
    """Run or resume a training; return the checkpoint directory (`output`), which `from_pretrained` takes.

    Raises TrainingError for data with held-out seeds, too few episodes, or a state of another run.
    """
    run = Run(config, evaluate)
    try:
        run.loop()
    except KeyboardInterrupt:
        run.save()
        raise
    return run.directory


class Run:
    """One training run: builds everything, then `loop`."""

    def __init__(self, config: TrainConfig, evaluate: Evaluate | None = None):
        self.config, self._evaluate = config, evaluate
        self.directory = Path(config.output)
        self.directory.mkdir(parents=True, exist_ok=True)
        if config.threads:
            torch.set_num_threads(config.threads)
        keep_freed_memory()
        torch.set_flush_denormal(True)  # vanishing probabilities would slow a CPU down
        torch.manual_seed(config.seed)
        source = EpisodeFolders(config.data, cache_episodes=16_384)
        trained, held = split_episodes(source, config.validation_episodes)
        names, textures = seen_words(source)
        self.device = torch.device(_device(config.device))
        adapted = config.lora_rank != 0
        dtype = torch.bfloat16 if adapted and config.dtype == "bfloat16" else torch.float32
        self.model, self.styles = start_model(config.model, adapted, dtype)
        bodies = {fact["embodiment"] for fact in source.facts}
        styles = _styles(self.styles, bodies, config)
        self.styles |= styles
        self.eye = DenseHeads(self.model, names, textures, config.sigma).to(self.device)
        self.lora = self._adapters() if adapted else None
        self.model.to(self.device).train()
        frozen = adapted or self.model.config.freeze_vit
        self.encoder_learns = not frozen and config.eye_weight > 0
        labelled = bool(names)  # where nobody tells of objects there is nothing dense to learn
        self.eye_weight = config.eye_weight if self.encoder_learns and labelled else 0.0
        self.eye_steps = config.eye_steps if labelled and not adapted else 0
        self.schedule = Schedule(
            peak=config.learning_rate,
            steps=config.steps,
            shape=config.schedule,
            warmup=config.warmup,
            decay_share=config.decay_share,
            phases=(0, self.eye_steps),
        )
        self.watch = Watch(self.model)
        processor = self.model.processor
        self.text_loss = TextLoss(processor.tokenizer.vocabulary, config.sigma)
        learner = {"model": self.model} if self.lora is None else {"lora": self.lora}
        self.parts: dict[str, torch.nn.Module] = {**learner, "eye": self.eye}
        self.optimizer = build_optimizer(self.parts.values(), config.weight_decay)
        self.settings = {key: getattr(config, key) for key in SETTINGS} | {
            "data": source.identities,  # by content: what goes on has the very episodes it began with
            "style": {name: style.to_dict() for name, style in sorted(styles.items())},
        }
        self.step = 0
        if config.resume and (self.directory / STATE).exists():
            self.step = load_state(self.directory, self.settings, self.parts, self.optimizer)
        self.curves = Curves(self.directory, self.step)
        options = ExampleOptions(boxes_share=config.boxes_share, augment=config.augment, seed=config.seed)
        self.batches = TrainingBatches(
            source, trained, processor, styles, options, config.batch_size, names, textures
        )
        labeller = Labeller(processor, names, textures)
        examples = [_first_step(source[i], styles) for i in held]
        size = config.batch_size
        self.validation = [labeller(examples[i : i + size]) for i in range(0, len(examples), size)]

    def _adapters(self) -> Lora:
        config = self.config
        self.model.to(self.device)
        self.eye.requires_grad_(False)
        self.eye.role.requires_grad_(True)
        targets = [name.strip() for name in config.lora_targets.split(",")]
        return Lora(self.model, config.lora_rank, config.lora_alpha, targets)

    def loop(self) -> None:
        """Train to the last step, or until the time is up."""
        config = self.config
        end = time.monotonic() + 60 * config.stop_after if config.stop_after else float("inf")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        began, sums, count = time.monotonic(), {}, 0
        with Progress(*columns, TextColumn("{task.fields[losses]}"), refresh_per_second=1) as progress:
            bar = progress.add_task("train", total=config.steps, completed=self.step, losses="")
            for batch, labels in self._loader():
                losses = self._train_step(batch.to(self.device), labels.to(self.device))
                count += 1
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                self.step += 1
                progress.advance(bar)
                if self.step % config.log_every == 0 or self.step == config.steps:
                    means = {name: value / count for name, value in sums.items()}
                    means["speed/examples_per_s"] = count * config.batch_size / (time.monotonic() - began)
                    means |= self.validate()
                    self.curves.add(self.step, means)
                    progress.update(bar, losses=_summary(means))
                    began, sums, count = time.monotonic(), {}, 0
                evaluated = config.evaluate_every and self.step % config.evaluate_every == 0
                if evaluated or self.step % config.save_every == 0:
                    self.save(merged=bool(evaluated))
                if evaluated and self._evaluate is not None:
                    self.curves.add(self.step, self._evaluate(self.directory, self.step))
                if time.monotonic() > end:
                    break
        self.save()

    def _loader(self) -> Iterator[tuple[Batch, Labels]]:
        workers = self.config.workers
        steps = range(self.step, self.config.steps)
        extra: dict[str, Any] = {"prefetch_factor": 4, "worker_init_fn": _one_thread} if workers else {}
        return iter(DataLoader(self.batches, batch_size=None, sampler=steps, num_workers=workers, **extra))

    def _train_step(self, batch: Batch, labels: Labels) -> dict[str, float]:
        set_learning_rate(self.optimizer, self.schedule.rate(self.step))
        loss, losses = self._losses(batch, labels, self.step < self.eye_steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            [p for part in self.parts.values() for p in part.parameters()], 1.0
        )
        if torch.isfinite(norm):
            self.optimizer.step()
        return {f"training/{name}": value.item() for name, value in losses.items()}

    def _losses(self, batch: Batch, labels: Labels, eye_only: bool) -> tuple[Tensor, dict[str, Tensor]]:
        weight = 1.0 if eye_only else self.eye_weight
        self.model.image_encoder.requires_grad_(eye_only or self.encoder_learns)
        losses: dict[str, Tensor] = {}
        dense: dict[str, Tensor] = {}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.dtype == "bfloat16"):
            if eye_only:
                look(self.model, batch)
            else:
                encoded = self.model.encode(batch)
                output = self.model.score(batch.text_target, encoded)
                losses["locations"], losses["words"] = self.text_loss(
                    output.logits["text"], output.targets["text"], output.masks["text"]
                )
                if batch.image_history is not None:  # a plan is asked for; boxes are asked for without images
                    losses["role"] = self.eye.role_loss(encoded, batch, labels)
            features = self.watch.take(batch)
            if weight > 0:
                dense = self.eye(self.model, features, labels)
        total = sum(losses.values()) + weight * sum(dense.values())
        return total, losses | dense

    def validate(self) -> dict[str, float]:
        """Losses on held-back episodes, as first steps of a plan."""
        if not self.validation:
            return {}
        sums: dict[str, float] = {}
        for batch, labels in self.validation:
            batch, labels = batch.to(self.device), labels.to(self.device)
            # Gradients stay enabled because `Watch` listens only then; nothing is run backward.
            _, losses = self._losses(batch, labels, self.step < self.eye_steps)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / len(self.validation)
        return {f"validation/{name}": value for name, value in sums.items()}

    def save(self, merged: bool = True) -> None:
        """Write the state, the adapters of a run that has them, and the checkpoint.

        With adapters the checkpoint is written only if `merged`, because a large one takes its time.
        """
        save_state(self.directory, self.step, self.settings, self.parts, self.optimizer)
        save_styles(self.directory, self.styles)
        if self.lora is None:
            self.model.save_pretrained(self.directory)
            return
        self.lora.save(self.directory)
        if merged:
            with self.lora.merged():
                self.model.save_pretrained(self.directory)


def split_episodes(source: EpisodeFolders, validation: int) -> tuple[list[int], list[int]]:
    """Return the successful episodes to train on, and `validation` others of them, held back.

    Raises TrainingError when one has a held-out seed or stands there twice, or too few are left.
    """
    facts = source.facts
    if held_out := [fact["seed"] for fact in facts if fact["seed"] >= FIRST_HELD_OUT_SEED]:
        raise TrainingError(
            f"the data hold {len(held_out)} episodes with held-out seeds (from {FIRST_HELD_OUT_SEED} on, "
            f"first {held_out[0]}): these are for evaluation; collect with smaller seeds"
        )
    found: dict[str, int] = {}
    for index, fact in enumerate(facts):
        if (other := found.setdefault(episode_identity(fact), index)) != index:
            raise TrainingError(
                f"episodes {other} and {index} of the data are the same one: name each set once in data="
            )
    good = [index for index, fact in enumerate(facts) if fact["success"]]
    validation = min(validation, len(good) // 10)
    if len(good) < 2:
        raise TrainingError(f"the data hold {len(good)} successful episodes: collect more")
    held = {good[index * len(good) // validation] for index in range(validation)}  # evenly over all folders
    return [index for index in good if index not in held], sorted(held)


def seen_words(source: EpisodeFolders) -> tuple[list[str], list[str]]:
    """Return the names and the textures of the objects of some two thousand episodes, sorted: what the eye
    tells apart.
    """
    names, textures = set(), set()
    for index in range(0, len(source), max(1, len(source) // 2000)):
        for thing in source[index].objects[0]:
            names.add(thing["name"])
            textures.add(thing["texture"])
    return sorted(names), sorted(textures)


def _styles(
    stored: Mapping[str, PromptStyle], bodies: Iterable[str], config: TrainConfig
) -> dict[str, PromptStyle]:
    """Return how requests for each of the data's embodiments look: as the model knows them, else as the
    embodiment wants them for a model of this size, with the changes asked for.
    """
    styles = {}
    for name in sorted(bodies):
        body = embodiments.get(name)
        style = stored.get(name) or body.style(small=config.model in SMALL)
        changed = PromptStyle.from_dict({**style.to_dict(), **config.style}).fitted(body.cameras)
        body.wordings(changed)
        styles[name] = changed
    return styles


def _first_step(record: StoredEpisode, styles: Mapping[str, PromptStyle]) -> Example:
    """Ask for the whole plan of a stored episode, as it was."""
    style = styles[record.embodiment]
    now = moment(record, 0, cameras_of(style))
    return plan_example(now, embodiments.get(record.embodiment), style)


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)


def _summary(means: Mapping[str, float]) -> str:
    short = {name.split("/")[-1]: value for name, value in means.items() if not name.startswith("validation")}
    return " ".join(f"{name} {value:.2f}" for name, value in short.items())
