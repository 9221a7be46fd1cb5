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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from policies import embodiments
from policies.style import PromptStyle, save_styles
from pretrain.checkpointing import STATE, content_digest, load_state, save_state
from pretrain.curves import Means
from pretrain.dense_heads import DenseHeads
from pretrain.episode_batches import TrainingBatches
from pretrain.episode_objective import EpisodeObjective
from pretrain.errors import TrainingError
from pretrain.event_file import EventFile
from pretrain.examples import Example, ExampleOptions, cameras_of, plan_example
from pretrain.guard import Diverged, Guard
from pretrain.half_products import halve_products
from pretrain.initialization import beginning, start_model
from pretrain.logbook import Logbook
from pretrain.loop import drive
from pretrain.lora import Lora
from pretrain.memory import keep_freed_memory
from pretrain.moments import learned_steps, moment
from pretrain.optim import build_named_optimizer, build_optimizer
from pretrain.output import Output
from pretrain.pages.training import TrainingPage
from pretrain.patch_labels import Labeller, Labels
from pretrain.processes import Processes
from pretrain.progress import say
from pretrain.schedule import Schedule
from pretrain.selection import seen_words, split_episodes
from pretrain.settings import ADDED, QUESTIONS, SETTINGS, SMALL, TrainConfig, takes_along
from pretrain.sources import EpisodeFolders, StoredEpisode
from pretrain.step import Step
from pretrain.step_batches import step_batches
from uio2_agent.inputs.batch import Batch
from uio2_agent.targets.memory import CodeMemory

Evaluate = Callable[[Path, int], Mapping[str, float]]
"""Called as evaluate(checkpoint directory, step) -> numbers for the curves, named `group/curve`."""


def train(
    config: TrainConfig, evaluate: Evaluate | None = None, ready: Callable[[], None] | None = None
) -> Path:
    """Run or resume a training; return the checkpoint directory (`output`), which `from_pretrained` takes.

    `ready` is called when everything is loaded, before the first step.
    Raises TrainingError for data with held-out seeds, too few episodes, a state of another run, a loss that
    is no number, or an output that another run has or that cannot be written; DatasetError for data that
    cannot be read.
    """
    return drive(lambda: Run(config, evaluate), config.batch_size, ready).directory


class Run:
    """One training run: builds its parts; `pretrain.loop` drives it."""

    def __init__(self, config: TrainConfig, evaluate: Evaluate | None = None):
        self.config, self._evaluation = config, evaluate
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
        torch.set_flush_denormal(True)  # vanishing probabilities would slow a CPU down
        torch.manual_seed(config.seed)
        source = EpisodeFolders(config.data, cache_episodes=16_384)
        trained, held = split_episodes(source, config.validation_episodes)
        names, textures = seen_words(source)
        adapted = config.lora_rank != 0
        dtype = torch.bfloat16 if adapted and config.dtype == "bfloat16" else torch.float32
        self.model, self.styles = start_model(config.model, adapted, dtype, **config.takes)
        if "image" not in self.model.config.target_modalities:
            _check_no_picture_is_asked(config)
        bodies = {fact["embodiment"] for fact in source.facts}
        styles = _styles(self.styles, bodies, config)
        self.styles |= styles
        self.eye = DenseHeads(self.model, names, textures, config.sigma).to(self.device)
        self.lora = self._adapters() if adapted else None
        self.model.to(self.device).train()
        if self.device.type == "cpu" and "image" in self.model.config.target_modalities:
            self.model.targets["image"].memory = CodeMemory()
        half_precision = config.dtype == "bfloat16"
        if half_precision and self.device.type == "cpu" and not adapted:
            halve_products(self.model)
            half_precision = False  # no more of it
        frozen = adapted or self.model.config.freeze_vit
        encoder_learns = not frozen and config.eye_weight > 0
        labelled = bool(names)  # where nobody tells of objects there is nothing dense to learn
        eye_steps = config.eye_steps if labelled and not adapted else 0
        schedule = Schedule(
            peak=config.learning_rate,
            steps=config.steps,
            shape=config.schedule,
            warmup=config.warmup,
            decay_share=config.decay_share,
            phases=(0, eye_steps),
        )
        self.objective = EpisodeObjective(
            self.model,
            self.eye,
            sigma=config.sigma,
            eye_steps=eye_steps,
            eye_weight=config.eye_weight if encoder_learns and labelled else 0.0,
            encoder_learns=encoder_learns,
            half_precision=half_precision,
            packs=self.device.type == "cpu",
        )
        processor = self.model.processor
        learner = {"model": self.model} if self.lora is None else {"lora": self.lora}
        heads = self.eye if self.lora is None else self.eye.role  # those that learn
        self.parts: dict[str, torch.nn.Module] = {**learner, "eye": heads}
        self.optimizer = (
            build_optimizer(self.parts.values(), config.weight_decay)
            if config.optimizer == "adamw"
            else build_named_optimizer(config.optimizer, torch.nn.ModuleDict(self.parts), config.weight_decay)
        )
        self.settings = {key: getattr(config, key) for key in SETTINGS} | {
            "data": source.identities,  # by content: what goes on has the very episodes it began with
            "style": {name: style.to_dict() for name, style in sorted(styles.items())},
            "start": self._start(),
        }
        parameters = [p for part in self.parts.values() for p in part.parameters()]
        self._rate = schedule.rate
        self._take = Step(self.objective, parameters, self.optimizer, self._rate, Guard())
        self.step, means = 0, {}
        if config.resume and (self.directory / STATE).exists():
            self.step, means = load_state(self.directory, self.settings, self.parts, self.optimizer, ADDED)
        self.saved = self.step
        with self.output.writing():
            if not self.step:
                (self.directory / STATE).unlink(missing_ok=True)  # of a run that is started anew
            sinks = [EventFile(self.directory / "tensorboard", self.step)] if config.tensorboard else []
            page = TrainingPage(self.directory, "training", config.steps, dataclasses.asdict(config))
            self.book = Logbook(self.directory, self.step, means, sinks, page)
        shares = {f"{kind}_share": getattr(config, f"{kind}_share") for kind in QUESTIONS}
        options = ExampleOptions(
            **shares,
            recast_share=config.recast_share,
            recolour_share=config.recolour_share,
            plain_share=config.plain_share,
            still_share=config.still_share,
            augment=config.augment,
            seed=config.seed,
        )
        self.data = TrainingBatches(
            source, trained, processor, styles, options, config.batch_size, names, textures
        )
        labeller = Labeller(processor, names, textures)
        examples = [_held_back(source[i], styles) for i in held]
        size = config.batch_size
        self.validation = [labeller(examples[i : i + size]) for i in range(0, len(examples), size)]
        held_back = f"{len(held)} held back" + (" (a tenth at most)" if config.validation_episodes else "")
        say(f"start    {beginning(config.model, adapted, config.inherit)}")
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
        held = {"config": model.config.to_dict(), "vocabulary": model.processor.tokenizer.vocabulary.hash()}
        if self.lora is not None or takes_along(self.config):
            held["weights"] = model.state_dict()
        return content_digest(held)[:16]

    def close(self) -> None:
        """Leave the output to others."""
        self.output.close()

    @property
    def kept(self) -> str:
        """What there is to go on from, in words."""
        return f"the state of step {self.saved} is kept" if self.saved else "nothing was saved"

    def batches(self) -> Iterator[tuple[Batch, Labels]]:
        """Return the batches from the next step on."""
        steps = range(self.step, self.config.steps)
        return step_batches(self.data, steps, self.config.workers)

    def learn(self, batch: tuple[Batch, Labels]) -> dict[str, float]:
        """Take a step; return its losses, and what it took in."""
        with self._advising():
            losses = self._take([_moved(batch, self.device)], self.step)
        values = {f"training/{name}": value for name, value in losses.items()}
        return values | {"speed/examples_per_s": self.config.batch_size}

    def record(self) -> None:
        """Add a point to the curves: means over the steps since the last one, and the validation's losses."""
        rate = {"rate/learning_rate": self._rate(self.step - 1)}
        with self.output.writing():
            self.book.record(self.step, rate | self.validate())

    def evaluation_is_due(self) -> bool:
        """Tell whether there is one at this step that was not made yet."""
        every = self.config.evaluate_every
        if not every or self._evaluation is None or self.step == 0 or self.step % every:
            return False
        return not self.book.holds_more(self.step)

    def evaluate(self) -> None:
        """Measure what was saved."""
        values = self._evaluation(self.directory, self.step)
        with self.output.writing():
            self.book.add(self.step, values)

    def validate(self) -> dict[str, float]:
        """Losses on held-back episodes, as first steps of a plan."""
        if not self.validation:
            return {}
        means = Means()
        for batch in self.validation:
            # Gradients stay enabled because `Watch` listens only then; nothing is run backward.
            _, losses = self.objective(_moved(batch, self.device), self.step)
            means.add({f"validation/{name}": value.item() for name, value in losses.items()}, 0.0)
        values = means.values()
        with self._advising():
            self._take.guard.admits(values)
        return values

    @contextmanager
    def _advising(self) -> Iterator[None]:
        """Say what to do where a loss is no number."""
        try:
            yield
        except Diverged as error:
            weights = "" if self.lora or not self.saved else f", and model={self.directory} starts from it"
            raise TrainingError(
                f"{error} after step {self.step}: start again in another output with a lower learning_rate= "
                f"(it is {self.config.learning_rate}) or more warmup=; {self.kept}{weights}"
            ) from error

    def save(self, whole: bool = True) -> None:
        """Write the state, the adapters of a run that has them, and the checkpoint.

        With adapters the checkpoint is written only if `whole`, because a large one takes its time.
        """
        with self.output.writing():
            means = vars(self.book.means)
            save_state(self.directory, self.step, self.settings, self.parts, self.optimizer, means)
            save_styles(self.directory, self.styles)
            if self.lora is None:
                self.model.save_pretrained(self.directory)
            else:
                self.lora.save(self.directory)
                if whole:
                    with self.lora.merged():
                        self.model.save_pretrained(self.directory)
        self.saved = self.step


def _check_no_picture_is_asked(config: TrainConfig) -> None:
    for name in ("view_share", "goal_share"):
        if share := getattr(config, name):
            raise TrainingError(
                f"{name}={share:g} asks for pictures, which model={config.model} does not answer with: leave "
                "it out, or start from nano_goal or one of the released sizes"
            )


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


def _moved(batch: tuple[Batch, Labels], device: torch.device) -> tuple[Batch, Labels]:
    content, labels = batch
    return content.to(device), labels.to(device)
