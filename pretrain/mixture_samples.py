"""A mixture as a file names it, and the stream of samples that a model learns from.

    table: pretraining                     rates by name or file; none where every entry has its own
    temperature: 1.0
    random_scale: {smallest: 0.75, largest: 1.3333, covering: 0.5}      or true; left out, nothing is cut
    data:                                  as `pretrain.mixed_data` says, and what is asked of an entry
      c4: {path: /data/c4, kind: text}
      laion_400m: {path: laion, kind: image_text, ask: {image_text: {image_share: 0}}}

`ask` names the builder of an entry's samples (`pretrain.samples`) and its options; without it the builder is
that of the records, with its defaults. Relative paths begin at the folder of the file, or the one handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from policies.style import PromptStyle
from pretrain.data_identity import identities
from pretrain.errors import TrainingError
from pretrain.example_stream import ExampleStream, is_held_back
from pretrain.mixed_data import GENERATED, open_mixture
from pretrain.mixture_batches import Drawn
from pretrain.mixture_table import read_table
from pretrain.order import permutation
from pretrain.pretrain_settings import PretrainConfig
from pretrain.recipes import recipe_file
from pretrain.samples import Builder, Context, Sample, UnusableRecord, builder
from pretrain.samples.random_scale import RandomScale
from pretrain.sources import records
from pretrain.sources.own_episodes import OwnEpisodes
from pretrain.sources.robots import RobotEpisodes
from pretrain.sources.source import BadRecord, Source
from uio2_agent.fields import build
from uio2_agent.labels.controls import ControlSpace
from uio2_agent.unified_io2 import UnifiedIO2

_BUILDERS: Mapping[type, str] = {
    records.TextRecord: "text",
    records.ImageTextRecord: "image_text",
    records.SoundTextRecord: "sound",
    records.VideoRecord: "video",
    records.DocumentRecord: "document",
    records.PairsRecord: "pairs",
    records.ViewsRecord: "two_views",
    records.RegionsRecord: "regions",
    records.DenseRecord: "dense",
    records.PeopleRecord: "people",
    records.QuestionRecord: "question",
    records.VideoQuestionRecord: "question",
    records.TagsRecord: "tags",
    records.VideoTagsRecord: "tags",
    records.SoundTagsRecord: "tags",
    records.RelationsRecord: "relations",
    records.CuboidsRecord: "cuboids",
    records.TrackRecord: "tracking",
    records.SceneTextRecord: "scene_text",
    records.EventsRecord: "event_times",
    records.SoundSourceRecord: "sound_source",
    records.FlowRecord: "flow",
    records.EditRecord: "image_edit",
    records.TrajectoryRecord: "control",
}
"""What is asked of a record where an entry does not say."""
_OF_EPISODES = "trajectory"
"""What is asked of the episodes of our own bodies, which are of several types."""
_ATTEMPTS = 16
"""Records tried for a sample, where the first can be asked nothing."""


@dataclass(frozen=True)
class Recipe:
    """A mixture as its file names it."""

    table: str | None
    temperature: float
    data: Mapping[str, Mapping[str, Any]]
    """Entries of `pretrain.mixed_data`, their paths whole."""
    asked: Mapping[str, Builder]
    """Builders of the entries that name one."""
    random_scale: RandomScale | None = None
    """How pictures of training are scaled and cut; None for not at all."""


def read_recipe(name: str, folder: str | None = None) -> Recipe:
    """Read a mixture that ships, or one from a file; its relative paths begin at `folder`.

    Raises TrainingError for a file that is no mixture.
    """
    path = recipe_file(name)
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no yaml: {' '.join(str(error).split())}") from error
    entries = held.get("data") if isinstance(held, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise TrainingError(
            f"{path} is no mixture: it needs data: with an entry {{path, kind}} for each source"
        )
    if wrong := set(held) - {"table", "temperature", "random_scale", "data"}:
        raise TrainingError(
            f"{path}: {wrong.pop()} is unknown: a mixture has table, temperature, random_scale and data"
        )
    base = Path(folder).expanduser() if folder else path.parent
    data, asked = {}, {}
    for source, entry in entries.items():
        fields = {key: value for key, value in entry.items() if key != "ask"}
        if isinstance(fields.get("path"), str) and fields["path"] != GENERATED:
            fields["path"] = str(base / Path(fields["path"]).expanduser())
        data[source] = fields
        if "ask" in entry:
            asked[source] = _builder(entry["ask"], f"{path}: data.{source}.ask")
    scaled = held.get("random_scale", False)
    scale = build(RandomScale, {} if scaled is True else scaled, f"{path}: random_scale") if scaled else None
    return Recipe(held.get("table"), held.get("temperature", 1.0), data, asked, scale)


def _builder(asked: Any, where: str) -> Builder:
    if isinstance(asked, str):
        asked = {asked: None}
    if not isinstance(asked, dict) or len(asked) != 1:
        raise TrainingError(f"{where} must be a builder's name, or {{name: {{option: value}}}}")
    ((name, options),) = asked.items()
    return builder(name, options)


class MixtureSamples:
    """The samples of a mixture by their number, as a model learns from them."""

    def __init__(
        self,
        recipe: Recipe,
        model: UnifiedIO2,
        seed: int,
        held_back: float = 0.0,
        styles: Mapping[str, PromptStyle] | None = None,
        controls: Mapping[str, ControlSpace] | None = None,
    ):
        """`styles`: how requests look, by embodiment; `controls`: ranges of robots' actions, by source, that
        the model has learned already.
        """
        table = None if recipe.table is None else read_table(recipe.table)
        mixture, sources = open_mixture(recipe.data, seed, table, recipe.temperature, controls)
        own = [source.embodiments for source in sources.values() if isinstance(source, OwnEpisodes)]
        self.embodiments = set().union(*own)
        """The bodies of our own that act in it."""
        self.controls = {
            name: source.controls for name, source in sources.items() if isinstance(source, RobotEpisodes)
        }
        """Ranges of robots' actions, by source."""
        processor = model.processor
        self._context = Context(processor.config, processor.tokenizer, styles=styles or {})
        self._asked, self._seed = recipe.asked, seed
        self._scale = recipe.random_scale
        self.stream = ExampleStream(mixture, sources, held_back, self._scaled)
        self._whole = ExampleStream(mixture, sources, held_back, self._sample)
        self.identities: dict[str, Any] = identities(self.stream)
        """What tells these samples and their order from others."""
        for name in self.stream.sources:
            if name in recipe.asked:
                self.identities["sources"][name] += f", asked {recipe.asked[name].options}"
            if self._scale is not None:
                self.identities["sources"][name] += f", scaled by {self._scale}"

    def __getitem__(self, number: int) -> Drawn:
        """Return the sample of a number, and a line for each damaged record in whose place it came."""
        fetched = self.stream[number]
        return fetched.record, fetched.skipped

    def held(self, each: int) -> list[Sample]:
        """Return samples of what is held back, so many of each source or as many as there are; their pictures
        are whole.
        """
        return [fetched.record for name in self.stream.sources for fetched in self._whole.held(name, each)]

    def _scaled(self, record: Any, name: str, number: int) -> Sample:
        return self._sample(record, name, number, self._scale)

    def _sample(self, record: Any, name: str, number: int, scale: RandomScale | None = None) -> Sample:
        """Ask something of a record, or of another of its source where nothing can be asked of it."""
        another = self._others(self.stream.sources[name], name, number)
        context = replace(self._context, another=another)
        reason = ""
        for attempt in range(_ATTEMPTS):
            rng = np.random.default_rng([self._seed, number, attempt])
            ask = self._asked.get(name) or builder(_BUILDERS.get(type(record), _OF_EPISODES))
            if scale is not None:
                drawn = np.random.default_rng([self._seed, number, attempt, 1])
                record = scale(record, context.config.image_size, drawn)
            try:
                return ask(record, rng, context, name)
            except UnusableRecord as error:
                reason, record = str(error), another()
        raise BadRecord(f"{_ATTEMPTS} records in a row can be asked nothing, the last because {reason}")

    def _others(self, source: Source, name: str, number: int) -> Callable[[], Any]:
        """Return a function that draws one more record of the source at each call, none that is held back:
        a function of (seed, number) and of how often it was called.
        """
        order = permutation(len(source), "others", self._seed, name, number)
        places = count()

        def another() -> Any:
            for _ in range(len(source)):
                index = order(next(places) % len(source))
                if not is_held_back(source.key(index), self.stream.held_back):
                    return source[index]
            raise BadRecord(f"all of source {name} is held back")

        return another


def open_samples(
    config: PretrainConfig,
    model: UnifiedIO2,
    styles: Mapping[str, PromptStyle],
    controls: Mapping[str, ControlSpace],
) -> MixtureSamples:
    """Open the mixture that a run asks for."""
    recipe = read_recipe(config.mixture, config.data)
    return MixtureSamples(recipe, model, config.seed, config.held_back, styles, controls)
