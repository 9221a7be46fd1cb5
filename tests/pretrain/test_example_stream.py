"""The examples of a step are the same for any processes, workers and sittings; what is held back stays so;
what is damaged is counted; what changed is noticed."""

import json
import shutil

import numpy as np
import pytest
from torch.utils.data import DataLoader

from pretrain.data_identity import changes, check_unchanged, identities
from pretrain.errors import TrainingError
from pretrain.example_stream import BadRecords, ExampleStream, is_held_back
from pretrain.generated.source import GeneratedSource
from pretrain.generated.writing import write_set
from pretrain.mixed_data import open_mixture
from pretrain.mixture import Mixture
from pretrain.mixture_table import read_table
from pretrain.order import share, step_numbers
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import digest

BATCH = 8


def texts(count, seed=0):
    return [GeneratedSource("made", "text", count, seed)[index] for index in range(count)]


def stream_of(roots, held_back=0.0, seed=4, make=None):
    data = {name: {"path": str(root), "kind": "text", "rate": 50} for name, root in roots.items()}
    return ExampleStream(*open_mixture(data, seed), held_back, make)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    return {
        "tar": write_set(root / "tar", texts(150), "tar"),
        "parquet": write_set(root / "parquet", texts(40, 1), "parquet"),
        "arrow": write_set(root / "arrow", texts(30, 2), "arrow"),
    }


def summary(fetched):
    return fetched.number, fetched.drawn, digest([fetched.record.text])


def one_by_one(batch):
    (fetched,) = batch
    return summary(fetched)


def run(stream, steps, processes, workers):
    """Example summaries of the steps, as so many processes with so many loader workers each have them."""
    parts = []
    for process in range(processes):
        numbers = [n for step in steps for n in share(step_numbers(step, BATCH), process, processes)]
        loader = DataLoader(stream, sampler=numbers, batch_size=1, num_workers=workers, collate_fn=one_by_one)
        parts.append(list(loader))
        assert [number for number, *_ in parts[-1]] == numbers
    return sorted(item for part in parts for item in part)


def test_any_number_of_processes_and_workers_see_the_same_examples(roots):
    wanted = run(stream_of(roots, held_back=0.1), range(4), 1, 0)
    assert len({number for number, *_ in wanted}) == 4 * BATCH
    for processes, workers in ((1, 2), (2, 1), (3, 0), (2, 2)):
        assert run(stream_of(roots, held_back=0.1), range(4), processes, workers) == wanted


def test_a_run_resumes_to_the_very_example_with_other_processes(roots):
    wanted = run(stream_of(roots), range(6), 1, 0)
    first = run(stream_of(roots), range(2), 2, 0)
    then = run(stream_of(roots), range(2, 5), 3, 2)
    last = run(stream_of(roots), range(5, 6), 1, 0)
    assert first + then + last == wanted


def test_what_is_held_back_is_never_given_and_stays_so_when_a_set_grows_and_moves(tmp_path):
    small, large = texts(150), [*texts(200, 7), *texts(150)]  # the old ones, in other places
    before = stream_of({"a": write_set(tmp_path / "a", small, "tar")}, held_back=0.1)
    after = stream_of({"a": write_set(tmp_path / "b", large, "parquet")}, held_back=0.1, seed=99)
    held = {fetched.record.text for fetched in before.held("a", 1000)}
    assert 5 < len(held) < 40
    assert held <= {fetched.record.text for fetched in after.held("a", 1000)}
    for stream, count in ((before, 300), (after, 700)):
        given = [stream[number].record.text for number in range(count)]
        assert not held & set(given)
    assert len(before.held("a", 5)) == 5
    assert {f.record.text for f in before.held("a", 5)} <= held


def test_shares_held_back_are_nested_and_of_the_asked_size():
    keys = [digest([str(number)]) for number in range(20_000)]
    small, large = ({key for key in keys if is_held_back(key, part)} for part in (0.01, 0.05))
    assert small < large
    assert abs(len(large) / 20_000 - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 20_000)


def test_damaged_examples_are_replaced_counted_named_and_limited(tmp_path):
    root = write_set(tmp_path / "a", texts(60), "files")
    for number in (3, 17, 40):
        (root / f"{number:08d}.txt").write_bytes(b"\xff\xfe broken")
    stream, good = stream_of({"a": root}), stream_of({"a": write_set(tmp_path / "b", texts(60), "files")})
    bad = BadRecords(limit=3)
    for number in range(120):
        fetched = stream[number]
        assert (fetched.number, bool(fetched.skipped)) == (number, good[number].drawn.index in (3, 17, 40))
        if not fetched.skipped:
            assert fetched.record == good[number].record
        bad.add(fetched.skipped)
        assert stream[number] == fetched
    assert len(bad) == 3
    assert "a: " in bad.seen[0] and ".* has no usable text" in bad.seen[0]
    strict = BadRecords(limit=2, seen=bad.seen[:2])
    assert strict.add(bad.seen[:1]) == []
    with pytest.raises(TrainingError, match=r"3 damaged examples, more than bad_records=2; the last: a: "):
        strict.add(bad.seen[2:])


def test_what_is_found_damaged_when_it_is_used_counts_too(tmp_path):
    def speak(record, source, number):
        return record.film.frames([1.0])[0].shape

    root = write_set(tmp_path / "v", [GeneratedSource("m", "video", 3)[index] for index in range(3)], "files")
    whole = (root / "00000001.mkv").read_bytes()
    (root / "00000001.mkv").write_bytes(whole[:200])
    data = {"v": {"path": str(root), "kind": "video", "rate": 1}}
    stream = ExampleStream(*open_mixture(data, 0), make=speak)
    found = [stream[number] for number in range(6)]
    assert {fetched.record for fetched in found} == {(96, 96, 3)}
    assert sum(bool(fetched.skipped) for fetched in found) == 2


def test_a_source_of_nothing_usable_ends_with_its_name(tmp_path):
    root = tmp_path / "a"
    root.mkdir()
    (root / "x.txt").write_bytes(b"")
    with pytest.raises(
        DatasetError, match=r"source a: none of 2 examples tried for number 0 .*text is empty"
    ):
        stream_of({"a": root})[0]


def test_data_that_changed_are_told_and_stop_a_run(tmp_path, roots):
    before = json.loads(json.dumps(identities(stream_of(roots))))
    assert changes(before, identities(stream_of(roots))) == []
    moved = {**roots, "tar": shutil.copytree(roots["tar"], tmp_path / "elsewhere")}
    check_unchanged(before, identities(stream_of(moved)))
    grown = {**roots, "arrow": write_set(tmp_path / "grown", texts(31, 2), "arrow")}
    assert changes(before, identities(stream_of(grown))) == ["source arrow has grown from 30 to 31 examples"]
    shrunk = {**roots, "arrow": write_set(tmp_path / "shrunk", texts(29, 2), "arrow")}
    assert "shrunk from 30 to 29" in changes(before, identities(stream_of(shrunk)))[0]
    other = {**roots, "arrow": write_set(tmp_path / "other", texts(30, 3), "arrow")}
    with pytest.raises(TrainingError, match=r"source arrow holds other examples\. Put them back"):
        check_unchanged(before, identities(stream_of(other)))
    fewer = {name: roots[name] for name in ("tar", "arrow")}
    lines = changes(before, identities(stream_of(fewer, held_back=0.1, seed=5)))
    assert lines[0] == "source parquet is gone"
    assert [line.split()[0] for line in lines[1:]] == ["seed", "held_back", "rates"]


def test_a_configuration_opens_the_whole_generated_mixture_of_the_paper():
    table = read_table("pretraining")
    kinds = {name: entry.kind for name, entry in table.sets.items() if entry.kind != "trajectory"}
    data = {name: {"path": "generated", "examples": 50} for name in kinds}
    data["c4"]["most_epochs"] = 1
    mixture, sources = open_mixture(data, seed=0, table=table)
    stream = ExampleStream(mixture, sources)
    seen = {fetched.drawn.source: fetched.record for fetched in (stream[number] for number in range(60))}
    assert len({type(record) for record in seen.values()}) >= 4
    assert mixture.most == {"c4": 50}
    with pytest.raises(DatasetError, match="source procthor: nothing of kind 'trajectory' is generated"):
        open_mixture({"procthor": {"path": "generated"}}, 0, table)
    with pytest.raises(DatasetError, match=r"source c5 is to be 'c5' .*no such set: .*nearest c4"):
        open_mixture({"c5": {"path": "generated", "kind": "text"}}, 0, table)
    with pytest.raises(DatasetError, match="source a has no rate"):
        open_mixture({"a": {"path": "generated", "kind": "text"}}, 0)


def test_sources_do_not_disturb_each_other():
    """Leaving a source out leaves the orders inside the others as they were."""
    lengths = {"a": 40, "b": 30}
    both, alone = Mixture(lengths, {"a": 1, "b": 1}, 3), Mixture({"a": 40}, {"a": 1}, 3)
    of_a = [drawn for drawn in map(both.draw, range(400)) if drawn.source == "a"]
    assert of_a == [alone.draw(number) for number in range(len(of_a))]
