"""Every form of data gives back what was written, and what is damaged, missing or changed is named."""

import json
import pickle
import tarfile
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretrain.generated.source import MAKERS, SIZE, GeneratedSource
from pretrain.generated.writing import FORMS, png, write_set
from pretrain.sources.kinds import KINDS
from pretrain.sources.opening import open_source
from pretrain.sources.records import ImageTextRecord, TextRecord
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord


def write(root, kind, form, count=3, seed=0):
    return write_set(root, [*map(GeneratedSource("made", kind, count, seed).__getitem__, range(count))], form)


def flat(record):
    """All arrays and texts of a record, films decoded."""
    if hasattr(record, "frames"):
        times = [0.5, 7.3, record.seconds - 0.1]
        return [record.seconds, *record.frames(times), *record.sounds(times)]
    if hasattr(record, "__dataclass_fields__"):
        return [item for value in vars(record).values() for item in flat(value)]
    if isinstance(record, tuple | list):
        return [item for value in record for item in flat(value)]
    return [record]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_form_gives_back_every_kind(tmp_path, kind, form):
    made = GeneratedSource("made", kind, 3)
    source = open_source("read", write(tmp_path / "set", kind, form), kind)
    assert len(source) == 3
    for index in (2, 0, 1):
        got, wanted = flat(source[index]), flat(made[index])
        assert len(got) == len(wanted)
        for mine, theirs in zip(got, wanted, strict=True):
            if isinstance(theirs, np.ndarray) and theirs.dtype == np.float32 and kind == "dense":
                assert np.abs(mine - theirs).max() < 5e-3  # half a millimetre, half a level of 255
            elif isinstance(theirs, np.ndarray) and theirs.dtype == np.float32 and theirs.ndim != 2:
                assert np.abs(mine - theirs).max() < 1e-4  # sounds are kept at 16 bit
            elif isinstance(theirs, np.ndarray) and theirs.shape == (256, 128):
                assert np.abs(np.sqrt(mine) - np.sqrt(theirs)).max() < 2e-2
            elif isinstance(theirs, np.ndarray):
                assert mine.dtype == theirs.dtype
                assert np.array_equal(mine, theirs)
            else:
                assert mine == theirs


def test_an_example_has_one_key_in_every_form(tmp_path):
    for kind in ("image_text", "document", "regions"):
        sources = [
            open_source("s", write(tmp_path / f"{kind}_{form}", kind, form, 6), kind) for form in FORMS
        ]
        keys = [[source.key(index) for index in range(6)] for source in sources]
        assert all(other == keys[0] for other in keys)
        assert len(set(keys[0])) == 6


@pytest.mark.parametrize("form", FORMS)
def test_identity_is_the_content_and_not_the_place(tmp_path, form):
    def identity(name, count, seed):
        return open_source("s", write(tmp_path / name, "text", form, count, seed), "text").identity

    first = identity("a", 250, 0)
    assert identity("b", 250, 0) == first
    assert identity("grown", 251, 0).split()[:2] == ["251", "examples"]
    assert identity("other", 250, 1) != first


def test_a_set_that_was_indexed_before_is_indexed_again_when_it_changed(tmp_path):
    root = write(tmp_path / "set", "text", "tar", 5)
    before = open_source("s", root, "text")
    assert (root / "000000.tar.index.npz").is_file()
    again = open_source("s", root, "text")
    assert again.identity == before.identity
    (root / "000000.tar").write_bytes(
        (write(tmp_path / "new", "text", "tar", 5, 9) / "000000.tar").read_bytes()
    )
    assert open_source("s", root, "text")[0] == GeneratedSource("made", "text", 5, 9)[0]


def test_shards_can_be_counted_and_matched(tmp_path):
    root = write(tmp_path / "set", "text", "tar", 250)
    for path in (root, root / "*.tar", f"{root}/{{000000..000002}}.tar"):
        assert len(open_source("s", path, "text")) == 250
    with pytest.raises(DatasetError, match=r"no file .*000003\.tar \(1 of 4 tar shards missing\)"):
        open_source("s", f"{root}/{{000000..000003}}.tar", "text")


def test_loader_processes_read_for_themselves(tmp_path):
    for form in FORMS:
        source = open_source("s", write(tmp_path / form, "image_text", form), "image_text")
        first = source[1]
        assert flat(pickle.loads(pickle.dumps(source))[1])[1] == first.text


def test_a_shard_that_is_cut_off_gives_what_is_whole_and_names_the_rest(tmp_path):
    root = write(tmp_path / "set", "image_text", "tar", 10)
    shard = root / "000000.tar"
    content = shard.read_bytes()
    with tarfile.open(shard) as archive:
        seventh = archive.getmember("00000006.png")
    shard.write_bytes(content[: seventh.offset_data + 100])
    source = open_source("s", root, "image_text")
    made = GeneratedSource("made", "image_text", 10)
    assert [source[index].text for index in range(6)] == [made[index].text for index in range(6)]
    for index in range(6, len(source)):
        with pytest.raises(BadRecord, match=r"000000\.tar"):
            source[index]
    assert len(source) in (7, 8)


def test_a_shard_with_a_damaged_header_is_not_taken_for_a_short_one(tmp_path):
    root = write(tmp_path / "set", "text", "tar", 10)
    shard = root / "000000.tar"
    with tarfile.open(shard) as archive:
        place = archive.getmember("00000004.txt").offset
    content = bytearray(shard.read_bytes())
    content[place : place + 512] = b"\xff" * 512
    shard.write_bytes(content)
    source = open_source("s", root, "text")
    assert len(source) == 5  # four, and one that stands for the rest
    with pytest.raises(BadRecord, match=f"000000.tar, from byte {place} on, is damaged"):
        source[4]


def test_what_is_no_tar_file_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"\x1f\x8b" + b"x" * 3000)
    with pytest.raises(DatasetError, match=r"a\.tar is no tar file .*decompress"):
        open_source("s", tmp_path, "text")
    with pytest.raises(DatasetError, match="compressed"):
        open_source("s", tmp_path / "a.tar.gz", "text")


def test_a_damaged_picture_is_one_bad_record(tmp_path):
    root = write(tmp_path / "set", "image_text", "files", 3)
    (root / "00000001.png").write_bytes(b"no picture")
    (root / "00000002.txt").unlink()
    source = open_source("s", root, "image_text")
    assert source[0].image.shape == (SIZE, SIZE, 3)
    with pytest.raises(BadRecord, match=r"00000001\.\* is damaged .*restore it or take it out"):
        source[1]
    with pytest.raises(BadRecord, match=r"00000002\.\* has no text \(looked for text, txt, .*columns="):
        source[2]


def test_a_damaged_row_group_is_bad_and_its_neighbours_are_not(tmp_path):
    root = write(tmp_path / "set", "text", "parquet", 100)
    path = root / "part-00000.parquet"
    column = pq.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    middle = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size // 2
    content[middle : middle + 8] = b"\xff" * 8
    path.write_bytes(content)
    source = open_source("s", root, "text")
    assert source[49] == GeneratedSource("made", "text", 100)[49]
    with pytest.raises(BadRecord, match=r"part-00000\.parquet, row 0 of group 1, cannot be read"):
        source[50]
    path.write_bytes(content[:-10])
    with pytest.raises(DatasetError, match=r"part-00000\.parquet is no whole Parquet file"):
        open_source("s", root, "text")


def test_columns_of_another_name_are_found_where_they_are_said_to_be(tmp_path):
    image = GeneratedSource("made", "image_text", 1)[0].image
    rows = [{"url": "x", "picture": png(image), "alt": "a thing"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(BadRecord, match="has no image"):
        open_source("s", tmp_path, "image_text")[0]
    source = open_source("s", tmp_path, "image_text", {"image": "picture", "text": "alt"})
    record = source[0]
    assert isinstance(record, ImageTextRecord)
    assert np.array_equal(record.image, image)
    assert record.text == "a thing"
    with pytest.raises(DatasetError, match="image_text has no part 'caption'"):
        open_source("s", tmp_path, "image_text", {"caption": "alt"})


def test_a_splits_folder_is_asked_for(tmp_path):
    write(tmp_path / "set" / "train", "text", "arrow")
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(DatasetError, match="holds the splits train: name one"):
        open_source("s", tmp_path / "set", "text")


def test_run_lengths_are_those_of_segment_anything(tmp_path):
    # 0-runs and 1-runs down the columns of a 4 x 3 image: the middle two rows of the first two columns
    runs, packed = [1, 2, 2, 2, 5], "12203"  # as pycocotools writes it
    annotations = [
        {"segmentation": {"size": [4, 3], "counts": counts}, "bbox": [0, 1, 2, 2]}
        for counts in (runs, packed)
    ]
    (tmp_path / "sa_1.jpg").write_bytes(png(np.zeros((4, 3, 3), np.uint8)))
    (tmp_path / "sa_1.json").write_text(json.dumps({"annotations": annotations}))
    record = open_source("s", tmp_path, "regions")[0]
    wanted = np.zeros((4, 3), bool)
    wanted[1:3, :2] = True
    assert all(np.array_equal(mask, wanted) for mask in record.masks)
    assert record.boxes.tolist() == [[1, 0, 3, 2]] * 2


def test_pages_with_addresses_in_place_of_pictures_are_refused(tmp_path):
    rows = [{"texts": ["a", None], "images": [None, "http://example.org/a.png"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(BadRecord, match="fetch the pictures first"):
        open_source("s", tmp_path, "document")[0]


def test_members_of_folders_and_dots_are_grouped_as_webdataset_does(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in (("x/a.b.txt", b"no"), ("x/a.txt", b"first"), ("y/a.txt", b"second")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    source = open_source("s", tmp_path, "text")
    assert [source[index] for index in range(len(source))] == [TextRecord("first"), TextRecord("second")]


@pytest.mark.parametrize("kind", ["pairs", "patches"])
def test_images_with_captions_make_pairs_and_patches(tmp_path, kind):
    root = write(tmp_path / "set", "image_text", "tar", 8)
    source = open_source("s", root, kind)
    made = GeneratedSource("made", "image_text", 8)
    for index in range(8):
        record = source[index]
        assert flat(record)[1] == flat(source[index])[1] if kind == "pairs" else True
        if kind == "pairs":
            assert 2 <= len(record.pairs) <= 5
            assert record.pairs[0].text == made[index].text
            assert len({pair.image.tobytes() for pair in record.pairs}) == len(record.pairs)
        else:
            assert 1 <= len(record.boxes) == len(record.names) <= 10
            outside = np.ones((SIZE, SIZE), bool)
            for top, left, bottom, right in record.boxes.astype(int):
                outside[top:bottom, left:right] = False
            assert np.array_equal(record.image[outside], made[index].image[outside])
            assert not np.array_equal(record.image, made[index].image)


def test_nothing_is_found_with_a_line_that_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match="no data at"):
        open_source("s", tmp_path / "absent", "text")
    with pytest.raises(DatasetError, match="holds no files of the endings"):
        open_source("s", tmp_path, "text")
    with pytest.raises(DatasetError, match="kind 'imagetext' is unknown"):
        open_source("s", tmp_path, "imagetext")
    assert set(KINDS) < set(MAKERS)
