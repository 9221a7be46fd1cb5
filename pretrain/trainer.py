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

import math
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from policies import embodiments
from policies.style import PromptStyle, save_styles
from pretrain.checkpointing import STATE, content_digest, load_state, save_state
from pretrain.curves import Curves, Means
from pretrain.dense_heads import DenseHeads, Labels, Watch, look
from pretrain.errors import TrainingError, explained
from pretrain.examples import (
    QUESTIONS,
    Example,
    ExampleOptions,
    Labeller,
    TrainingBatches,
    cameras_of,
    plan_example,
)
from pretrain.initialization import start_model
from pretrain.interrupts import Interrupts
from pretrain.lora import Lora
from pretrain.losses import TextLoss
from pretrain.memory import keep_freed_memory
from pretrain.moments import learned_steps, moment
from pretrain.optim import build_optimizer, set_learning_rate
from pretrain.output import Output
from pretrain.progress import progress, say
from pretrain.schedule import Schedule
from pretrain.selection import seen_words, split_episodes
from pretrain.settings import SETTINGS, SMALL, TrainConfig
from pretrain.sources import DatasetError, EpisodeFolders, StoredEpisode
from uio2_agent.errors import UIO2Error
from uio2_agent.inputs.processor import Batch

Evaluate = Callable[[Path, int], Mapping[str, float]]
"""Called as evaluate(checkpoint directory, step) -> numbers for the curves, named `group/curve`."""


_SAVE_WITHIN, _SAVING_SHARE = 60.0, 0.05
"""Seconds after which there is a new state, whatever `save_every` says; the most time that goes into that."""


def train(
    config: TrainConfig, evaluate: Evaluate | None = None, ready: Callable[[], None] | None = None
) -> Path:
    """Run or resume a training; return the checkpoint directory (`output`), which `from_pretrained` takes.

    `ready` is called when everything is loaded, before the first step.
    Raises TrainingError for data with held-out seeds, too few episodes, a state of another run, a loss that
    is no number, or an output that another run has or that cannot be written; DatasetError for data that
    cannot be read.
    """
    kept = "nothing was saved"
    try:
        with closing(Run(config, evaluate)) as run:
            try:
                if ready is not None:
                    ready()
                run.loop()
            except (KeyboardInterrupt, DatasetError, OSError):  # between two steps: nothing is lost
                if run.step > run.saved:
                    run.save()
                raise
            finally:
                kept = run.kept
    except (RuntimeError, MemoryError) as error:
        raise explained(error, config.batch_size, kept) from error
    return run.directory


class Run:
    """One training run: builds everything, then `loop`."""

    def __init__(self, config: TrainConfig, evaluate: Evaluate | None = None):
        self.config, self._evaluate = config, evaluate
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
        torch.set_flush_denormal(True)  # vanishing probabilities would slow a CPU down
        torch.manual_seed(config.seed)
        source = EpisodeFolders(config.data, cache_episodes=16_384)
        trained, held = split_episodes(source, config.validation_episodes)
        names, textures = seen_words(source)
        adapted = config.lora_rank != 0
        dtype = torch.bfloat16 if adapted and config.dtype == "bfloat16" else torch.float32
        self.model, self.styles = start_model(config.model, adapted, dtype)
        if config.view_share and "image" not in self.model.config.target_modalities:
            raise TrainingError(
                f"view_share={config.view_share:g} asks for pictures, which model={config.model} does not "
                "answer with: leave it out, or start from one of the released sizes"
            )
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
            "start": self._start(),
        }
        self.step, self.means = 0, Means()
        if config.resume and (self.directory / STATE).exists():
            self.step, means = load_state(self.directory, self.settings, self.parts, self.optimizer)
            self.means = Means(**means)
        self.saved, self._patience = self.step, _SAVE_WITHIN
        with self.output.writing():
            if not self.step:
                (self.directory / STATE).unlink(missing_ok=True)  # of a run that is started anew
            self.curves = Curves(self.directory, self.step)
        shares = {f"{kind}_share": getattr(config, f"{kind}_share") for kind in QUESTIONS}
        options = ExampleOptions(**shares, augment=config.augment, seed=config.seed)
        self.batches = TrainingBatches(
            source, trained, processor, styles, options, config.batch_size, names, textures
        )
        labeller = Labeller(processor, names, textures)
        examples = [_held_back(source[i], styles) for i in held]
        size = config.batch_size
        self.validation = [labeller(examples[i : i + size]) for i in range(0, len(examples), size)]
        held_back = f"{len(held)} held back" + (" (a tenth at most)" if config.validation_episodes else "")
        say(f"data     {len(trained)} episodes to learn from, {held_back}")

    def _adapters(self) -> Lora:
        config = self.config
        self.model.to(self.device)
        self.eye.requires_grad_(False)
        self.eye.role.requires_grad_(True)
        targets = [name.strip() for name in config.lora_targets.split(",")]
        return Lora(self.model, config.lora_rank, config.lora_alpha, targets)

    def _start(self) -> str:
        """Digest of what a state does not hold of the model it began with."""
        model = self.model
        held = {"config": model.config.to_dict(), "vocabulary": model.processor.tokenizer.vocabulary.hash}
        if self.lora is not None:
            held["weights"] = model.state_dict()
        return content_digest(held)[:16]

    def loop(self) -> None:
        """Train to the last step, or until the time is up.

        KeyboardInterrupt, also for SIGTERM, comes between two steps.
        """
        config = self.config
        end = time.monotonic() + 60 * config.stop_after if config.stop_after else float("inf")
        saved = clock = time.monotonic()
        lately = Means()  # since words were last shown
        with Interrupts() as interrupts, progress("train", config.steps, self.step, unit="step") as shown:
            if self._lacks_evaluation():
                self.save()
                self._evaluated()
            for item in self._loader():
                if isinstance(item, UIO2Error):
                    raise item
                batch, labels = item
                with interrupts.held():
                    losses = self._train_step(batch.to(self.device), labels.to(self.device))
                    self.step += 1
                    for means in (self.means, lately):
                        means.add(losses, time.monotonic() - clock)
                    if self.step % config.log_every == 0 or self.step == config.steps:
                        self._record()
                    if shown(_summary(lately, config.batch_size)):
                        lately = Means()
                evaluated = config.evaluate_every and self.step % config.evaluate_every == 0
                is_due = self.step % config.save_every == 0 or time.monotonic() - saved > self._patience
                if evaluated or is_due:
                    self.save(merged=bool(evaluated))
                    saved = time.monotonic()
                if evaluated:
                    self._evaluated()
                if time.monotonic() > end:
                    break
                clock = time.monotonic()
            self.save()

    def close(self) -> None:
        """Leave the output to others."""
        self.output.close()

    @property
    def kept(self) -> str:
        """What there is to go on from, in words."""
        return f"the state of step {self.saved} is kept" if self.saved else "nothing was saved"

    def _loader(self) -> Iterator[tuple[Batch, Labels] | UIO2Error]:
        workers = self.config.workers
        steps = range(self.step, self.config.steps)
        extra: dict[str, Any] = {"prefetch_factor": 4, "worker_init_fn": _prepare_worker} if workers else {}
        batches = _Told(self.batches)
        return iter(DataLoader(batches, batch_size=None, sampler=steps, num_workers=workers, **extra))

    def _record(self) -> None:
        """Add a point to the curves: means over the steps since the last one."""
        means = self.means.values()
        means["speed/examples_per_s"] = self.means.count * self.config.batch_size / self.means.seconds
        with self.output.writing():
            self.curves.add(self.step, means | self.validate())
        self.means = Means()

    def _lacks_evaluation(self) -> bool:
        """Tell whether the run was stopped between saving and evaluating."""
        every = self.config.evaluate_every
        if not every or self._evaluate is None or self.step == 0 or self.step % every:
            return False
        here = [record for record in self.curves.records if record["step"] == self.step]
        return all("speed/examples_per_s" in record for record in here)

    def _evaluated(self) -> None:
        if self._evaluate is not None:
            values = self._evaluate(self.directory, self.step)
            with self.output.writing():
                self.curves.add(self.step, values)

    def _train_step(self, batch: Batch, labels: Labels) -> dict[str, float]:
        set_learning_rate(self.optimizer, self.schedule.rate(self.step))
        loss, losses = self._losses(batch, labels, self.step < self.eye_steps)
        values = {f"training/{name}": value.item() for name, value in losses.items()}
        self._check_finite(values)
        self.optimizer.zero_grad(set_to_none=True)
        if loss.requires_grad:  # not where the eye learns alone and nobody told the objects of this batch
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(
                [p for part in self.parts.values() for p in part.parameters()], 1.0
            )
            self._check_finite({"norm of the gradients": norm.item()})
            self.optimizer.step()
        return values

    def _check_finite(self, values: Mapping[str, float]) -> None:
        """Raise TrainingError before what is no number reaches the weights or the curves."""
        if broken := [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]:
            weights = "" if self.lora or not self.saved else f", and model={self.directory} starts from it"
            raise TrainingError(
                f"{broken[0]} after step {self.step}: start again in another output with a lower "
                f"learning_rate= (it is {self.config.learning_rate}) or more warmup=; {self.kept}{weights}"
            )

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
                for name, target in self.model.token_targets(batch).items():
                    output = self.model.score(target, encoded, modality=name)
                    if name == "text":
                        losses["locations"], losses["words"] = self.text_loss(
                            output.logits[name], output.targets[name], output.masks[name]
                        )
                    else:
                        losses[name] = output.loss
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
        values = {f"validation/{name}": value for name, value in sums.items()}
        self._check_finite(values)
        return values

    def save(self, merged: bool = True) -> None:
        """Write the state, the adapters of a run that has them, and the checkpoint.

        With adapters the checkpoint is written only if `merged`, because a large one takes its time.
        """
        began = time.monotonic()
        with self.output.writing():
            means = vars(self.means)
            save_state(self.directory, self.step, self.settings, self.parts, self.optimizer, means)
            save_styles(self.directory, self.styles)
            if self.lora is None:
                self.model.save_pretrained(self.directory)
            else:
                self.lora.save(self.directory)
                if merged:
                    with self.lora.merged():
                        self.model.save_pretrained(self.directory)
        self.saved = self.step
        self._patience = max(_SAVE_WITHIN, (time.monotonic() - began) / _SAVING_SHARE)


class _Told(Dataset[tuple[Batch, Labels] | UIO2Error]):
    """The batches, or why there is none: an error that is raised in a loader process loses its words."""

    def __init__(self, batches: TrainingBatches):
        self._batches = batches

    def __getitem__(self, step: int) -> tuple[Batch, Labels] | UIO2Error:
        try:
            return self._batches[step]
        except UIO2Error as error:
            return error


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


def _held_back(record: StoredEpisode, styles: Mapping[str, PromptStyle]) -> Example:
    """Ask for the whole plan of a stored episode, as it was; of a body that plans one step at a time, for one
    in the middle.
    """
    style, body = styles[record.embodiment], embodiments.get(record.embodiment)
    steps = learned_steps(record)
    step = steps[0 if body.horizon is None else len(steps) // 2]
    now = moment(record, step, cameras_of(style), past=style.told_views)
    return plan_example(now, body, style)


def _prepare_worker(worker: int) -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the process that ends this one
    sys.excepthook = lambda *_: (
        None
    )  # of the thread that hands batches over: it may lose that process any time


def _summary(means: Means, batch_size: int) -> str:
    losses = [f"{name.split('/')[-1]} {value:.2f}" for name, value in means.values().items()]
    return " ".join(losses) + f"  {means.count * batch_size / means.seconds:.3g} examples/s"
