"""Samples of every builder over random records: one target, nothing of it in the input, markers as inputs."""

import copy
import dataclasses
import re

import numpy as np
import pytest

from pretrain.errors import TrainingError
from pretrain.generated.source import MAKERS, GeneratedSource
from pretrain.samples import BUILDERS, Context, Sample, UnusableRecord, builder
from pretrain.sources.records import TextRecord
from tests.pretrain.sample_records import RECORDS, records
from tests.uio2_agent.tiny import full_config
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.errors import UIO2Error
from uio2_agent.inputs.processor import Processor
from uio2_agent.text.tokenizer import TextTokenizer

CONFIG, TOKENIZER = UnifiedIO2Config.preset("large"), TextTokenizer.packaged()
MARKER = re.compile(r"<(image|audio)_(?:input|history_(\d+))>")
COUNTS = {"video": 300, "sound": 40, "trajectory": 150, "people": 100}
"""Records of a builder; 200 of the others."""
VISIBLE = ("camera_pose", "masks", "patches", "regions", "dense", "people", "trajectory", "control")
VISIBLE += ("tags", "cuboids", "tracking")
"""Builders whose text answers are places, numbers or words that a prompt may hold."""


def context(name: str, number: int) -> Context:
    rng = np.random.default_rng([7, number])
    return Context(CONFIG, TOKENIZER, another=lambda: RECORDS[name](rng))


def samples(name: str, count: int | None = None, options: dict | None = None, seed: int = 0):
    """Pairs of a record and its sample, of records that one can be made of."""
    made = builder(name, options)
    for number, record in enumerate(records(name, count or COUNTS.get(name, 200), seed)):
        try:
            sample = made(
                record, np.random.default_rng([1, seed, number]), context(name, number), "somewhere"
            )
        except UnusableRecord:
            continue
        yield record, sample


def text(value) -> str:
    return value if isinstance(value, str) else TOKENIZER.decode(value)


def ids(value) -> list[int]:
    return TOKENIZER.encode(value) if isinstance(value, str) else value.tolist()


@pytest.fixture(scope="module", params=BUILDERS)
def made(request) -> tuple[str, list]:
    return request.param, list(samples(request.param))


def test_nearly_every_record_gives_a_sample_of_each_kind(made) -> None:
    name, found = made
    assert len(found) >= 0.75 * COUNTS.get(name, 200)
    assert {sample.source for _, sample in found} == {"somewhere"}
    kinds = {(modality(sample), sample.paradigm) for _, sample in found}
    assert (
        kinds
        == {
            "text": {("text", "R"), ("text", "S"), ("text", "X")},
            "image_text": {("text", "S"), ("text", "R"), ("image", "S"), ("image", "R")},
            "sound": {("text", "S"), ("audio", "S")},
            "video": {("text", "R"), ("text", "S"), ("text", "X")}
            | {(each, paradigm) for each in ("image", "audio") for paradigm in "SR"},
            "document": {("text", "S"), ("text", "R"), ("image", "S"), ("image", "R")},
            "pairs": {("text", "S"), ("text", "R")},
            "two_views": {("image", "R")},
            "camera_pose": {("image", "S"), ("text", "S")},
            "masks": {("image", "S")},
            "patches": {("text", "S")},
            "regions": {("text", "S"), ("image", "S"), ("image", "R")},
            "dense": {("image", "S")},
            "people": {("text", "S")},
            "question": {("text", "S")},
            "prompted_video": {("text", "S"), ("image", "S"), ("audio", "S")},
            "tags": {("text", "S")},
            "scene_text": {("text", "S")},
            "event_times": {("text", "S")},
            "sound_source": {("text", "S")},
            "relations": {("text", "S")},
            "referring": {("text", "S"), ("image", "S")},
            "cuboids": {("text", "S")},
            "tracking": {("text", "S")},
            "flow": {("image", "S")},
            "image_edit": {("image", "S")},
            "trajectory": {("text", "S"), ("image", "S")},
            "control": {("text", "S"), ("image", "S")},
        }[name]
    )


def modality(sample: Sample) -> str:
    """The only modality of a target."""
    (held,) = (each for each in ("text", "image", "audio") if getattr(sample.target, each) is not None)
    return held


def test_markers_are_the_inputs(made) -> None:
    """Marker j is in the text exactly if there is piece j; the last piece's is `<…_input>`."""
    for _, sample in made[1]:
        check_markers(sample)
        assert len(sample.request.image_history) <= (8 if made[0] == "trajectory" else 4)


def check_markers(sample: Sample) -> None:
    request, found = sample.request, {"image": set(), "audio": set()}
    for sense, number in MARKER.findall(text(request.text)):
        found[sense].add(int(number or 0))
    for sense in ("image", "audio"):
        history = getattr(request, f"{sense}_history")
        there = set(range(1, len(history) + 1)) | ({0} if getattr(request, sense) is not None else set())
        assert found[sense] == there, text(request.text)


def test_texts_fit(made) -> None:
    for _, sample in made[1]:
        assert len(ids(sample.request.text)) <= CONFIG.text_input_length - 2
        if modality(sample) == "text":
            assert 0 < len(ids(sample.target.text)) <= CONFIG.text_target_length - 1


def test_no_word_of_an_answer_is_asked(made) -> None:
    """Words of records come once: of those that are to be written none is shown."""
    name, found = made
    for _, sample in found:
        if modality(sample) == "text" and name not in VISIBLE:
            check_words(sample)


def check_words(sample: Sample) -> None:
    shown, written = (
        [TOKENIZER.decode(run) for run in runs(ids(value), TOKENIZER.vocabulary.pieces)]
        for value in (sample.request.text, sample.target.text)
    )
    told = " | ".join(shown)
    assert not [word for run in written for word in run.split() if len(word) >= 8 and word in told]


def runs(tokens: list[int], pieces: int) -> list[list[int]]:
    """The runs of ordinary pieces between special ones."""
    cut = [[]]
    for token in tokens:
        if token < pieces:
            cut[-1].append(token)
        elif cut[-1]:
            cut.append([])
    return [run for run in cut if run]


def test_nothing_of_a_picture_or_a_sound_that_is_asked_is_shown_unhidden(made) -> None:
    name, found = made
    for _, sample in found:
        if modality(sample) != "text":
            check_pieces(sample, least=0.0 if name == "regions" else 0.75)


def check_pieces(sample: Sample, least: float) -> None:
    kind = modality(sample)
    wanted = getattr(sample.target, kind)
    pieces = (getattr(sample.request, kind), *getattr(sample.request, f"{kind}_history"))
    same = [piece is not None and np.array_equal(piece, wanted) for piece in pieces]
    hidden = getattr(sample.hidden, kind)
    if sample.paradigm == "S":
        assert not any(same) and hidden is None
    else:
        assert same[0] and not any(same[1:])
        grid = CONFIG.image_grid if kind == "image" else CONFIG.audio_grid
        assert hidden.shape == grid and hidden.dtype == bool
        assert hidden.any() and hidden.mean() >= least


def test_the_checks_see_what_gives_the_answer_away() -> None:
    """Negative control: good samples, spoiled one way each."""
    seen = {"words": 0, "S": 0, "R": 0, "marker": 0, "piece": 0}
    for _, sample in [*samples("document", 60), *samples("video", 60)]:
        request, kind = sample.request, modality(sample)
        spoiled = []
        if kind == "text" and sample.paradigm == "S" and len(sample.target.text) >= 8:
            told = f"{text(request.text)} {sample.target.text}"
            spoiled.append(("words", check_words, dataclasses.replace(request, text=told), sample.hidden))
        if kind == "image" and sample.paradigm == "S":
            history = (*request.image_history, sample.target.image)
            leak = dataclasses.replace(request, image_history=history)
            spoiled.append(("S", lambda each: check_pieces(each, 0.75), leak, sample.hidden))
        if kind == "image" and sample.paradigm == "R":
            seen_whole = dataclasses.replace(sample.hidden, image=np.zeros(CONFIG.image_grid, bool))
            spoiled.append(("R", lambda each: check_pieces(each, 0.75), request, seen_whole))
        if request.image_history:
            one_less = dataclasses.replace(request, image_history=request.image_history[:-1])
            spoiled.append(("piece", check_markers, one_less, sample.hidden))
            unnamed = dataclasses.replace(request, text=MARKER.sub("", text(request.text)))
            spoiled.append(("marker", check_markers, unnamed, sample.hidden))
        for what, check, broken, hidden in spoiled:
            with pytest.raises(AssertionError):
                check(dataclasses.replace(sample, request=broken, hidden=hidden))
            seen[what] += 1
    assert min(seen.values()) >= 5


def test_what_is_mended_is_the_text_itself(made) -> None:
    """Put back into the request, what is written gives a text of the record, or several of its source."""
    name, found = made
    for record, sample in found:
        if modality(sample) != "text" or sample.paradigm == "S":
            continue
        whole = spliced(ids(sample.request.text), ids(sample.target.text))
        markers = [int(token) for token in whole if token >= TOKENIZER.vocabulary.pieces]
        assert all(MARKER.fullmatch(TOKENIZER.decode([token])) for token in markers)
        plain = MARKER.sub("", TOKENIZER.decode(whole))
        said = {
            "text": lambda r: r.text,
            "image_text": lambda r: r.text,
            "video": lambda r: " ".join([r.caption, *(words for _, words in r.transcript)]),
            "document": lambda r: " ".join(part for part in r.parts if isinstance(part, str)),
            "pairs": lambda r: " ".join(pair.text for pair in r.pairs),
        }[name](record)
        whole_words = [word for word in plain.split() if len(word) == 8]
        assert whole_words
        known = sum(word in said for word in whole_words) / len(whole_words)
        assert known == 1 or name == "text"  # of which others of the source are part
        assert known > 0


def spliced(shown: list[int], written: list[int]) -> list[int]:
    """The text that a corrupted one and its target come from: each sentinel's span in its place."""
    vocabulary = TOKENIZER.vocabulary
    sentinels = {vocabulary.extra_id(index) for index in range(200)}
    spans = runs_after(written, sentinels)
    whole, used = [], 0
    for token in shown:
        if token in sentinels:
            whole += spans[used]
            used += 1
        else:
            whole.append(token)
    assert used == len(spans)
    return whole


def runs_after(written: list[int], sentinels: set[int]) -> list[list[int]]:
    spans: list[list[int]] = []
    open_ = True
    for token in written:
        if token in sentinels:
            open_ = True
            continue
        if open_:
            spans.append([])
            open_ = False
        spans[-1].append(token)
    return spans


def test_the_processor_takes_them(made) -> None:
    """And nothing is cut: that would be a warning, which is an error here."""
    processor = Processor(CONFIG, TOKENIZER)
    chosen = [sample for _, sample in made[1]][:16]
    batch = processor(
        [sample.request for sample in chosen],
        [sample.target for sample in chosen],
        paradigms=[sample.paradigm for sample in chosen],
        hidden=[sample.hidden for sample in chosen],
    )
    prefixes = [TOKENIZER.vocabulary.prefix(modality(sample), sample.paradigm) for sample in chosen]
    assert batch.text.tokens[:, 0].tolist() == prefixes
    for row, sample in enumerate(chosen):
        history = sample.request.image_history
        if history:
            assert batch.image_history.mask[row].any(-1).sum() == len(history)
        if sample.paradigm == "R" and modality(sample) == "image":
            assert batch.image_target.task_mask[row].any()


@pytest.mark.parametrize("name", BUILDERS)
def test_the_generator_decides_and_the_record_stays(name: str) -> None:
    made, differs = builder(name), 0
    for number, record in enumerate(records(name, 20, seed=5)):
        before = copy.deepcopy(record)

        def draw(seed: int, record=record, number=number):
            try:
                return made(record, np.random.default_rng([seed, number]), context(name, number))
            except UnusableRecord as error:
                return str(error)

        first = draw(0)
        assert alike(first, draw(0))
        differs += not alike(first, draw(1))
        assert alike(plain(before), plain(record))
    assert differs > 10


def plain(record):
    """What of a record can be compared."""
    return {key: value for key, value in vars(record).items() if key != "film"}


def alike(first, second) -> bool:
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return type(first) is type(second) and np.array_equal(first, second)
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        return type(first) is type(second) and alike(vars(first), vars(second))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(alike(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(alike, first, second))
    return first == second


def test_builders_and_options_that_are_none() -> None:
    with pytest.raises(
        TrainingError, match=r"no sample builder 'vido' \(did you mean 'video'\?\): use text, "
    ):
        builder("vido")
    with pytest.raises(UIO2Error, match=r"options of video has unknown fields \['keep'\]; known are text, "):
        builder("video", {"keep": 1})
    with pytest.raises(UIO2Error, match="hidden"):
        builder("two_views", {"hidden": {"share": 2}})
    alone = Context(CONFIG, TOKENIZER)
    with pytest.raises(TrainingError, match="hand in another="):
        builder("text")(TextRecord("short"), np.random.default_rng(0), alone)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_small_model_is_asked_what_it_can_take(name: str) -> None:
    """Of 48 tokens in and 40 out, and with words alone: what does not fit is refused, not cut."""
    small = full_config(text_input_length=48, text_target_length=40)
    made, fits = builder(name), 0
    for config in (small, full_config(text_target_length=128, target_modalities=("text",))):
        for number, record in enumerate(records(name, 15)):
            rng = np.random.default_rng([3, number])
            another = Context(config, TOKENIZER, another=lambda rng=rng: RECORDS[name](rng))
            try:
                sample = made(record, np.random.default_rng(number), another)
            except UnusableRecord:
                continue
            fits += 1
            assert modality(sample) in config.target_modalities
            assert len(ids(sample.request.text)) <= config.text_input_length - 2
            if modality(sample) == "text":
                assert len(ids(sample.target.text)) <= config.text_target_length - 1
    assert fits or name == "people"  # 17 joints are longer


GENERATED = {
    "text": ("text",),
    "image_text": ("image_text",),
    "pairs": ("pairs",),
    "sound_text": ("sound",),
    "video": ("video", "prompted_video"),
    "document": ("document",),
    "views": ("two_views", "camera_pose"),
    "regions": ("regions", "masks", "referring"),
    "tags": ("tags",),
    "video_tags": ("tags",),
    "sound_tags": ("tags",),
    "scene_text": ("scene_text",),
    "events": ("event_times",),
    "sound_events": ("event_times",),
    "sound_source": ("sound_source",),
    "relations": ("relations",),
    "cuboids": ("cuboids",),
    "flow": ("flow",),
    "edit": ("image_edit",),
    "track": ("tracking",),
    "video_question": ("question",),
    "image_pair": ("question",),
    "image_instruction": ("question",),
    "instruction": ("question",),
    "patches": ("patches",),
    "question": ("question",),
    "dense": ("dense",),
    "people": ("people",),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_generated_set_is_asked(kind: str) -> None:
    """The sets that ship as code, through their builders and the processor."""
    source, processor = GeneratedSource("made", kind, 12), Processor(CONFIG, TOKENIZER)
    for name in GENERATED[kind]:
        found = []
        for number in range(12):
            rng = np.random.default_rng([5, number])
            another = Context(CONFIG, TOKENIZER, another=lambda rng=rng: source[int(rng.integers(12))])
            found.append(builder(name)(source[number], np.random.default_rng(number), another))
            check_markers(found[-1])
        batch = processor(
            [sample.request for sample in found],
            [sample.target for sample in found],
            paradigms=[sample.paradigm for sample in found],
            hidden=[sample.hidden for sample in found],
        )
        assert len(batch.text.tokens) == 12
