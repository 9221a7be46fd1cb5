"""What other people's packages wrote is read: where they are not installed (`pip install datasets webdataset
pycocotools`), these tests say so.
"""

import numpy as np
import pytest
from PIL import Image

from pretrain.generated.source import GeneratedSource
from pretrain.generated.writing import write_set
from pretrain.sources.masks import from_annotations
from pretrain.sources.opening import open_source

COUNT = 60
RECORDS = [GeneratedSource("made", "image_text", COUNT)[index] for index in range(COUNT)]


def same(source):
    assert len(source) == COUNT
    return all(
        np.array_equal(source[index].image, record.image) and source[index].text == record.text
        for index, record in enumerate(RECORDS)
    )


def test_hugging_faces_datasets(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    types = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    columns = {"image": [Image.fromarray(r.image) for r in RECORDS], "text": [r.text for r in RECORDS]}
    made = datasets.Dataset.from_dict(columns, features=types)
    made.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    made.shuffle(seed=0).save_to_disk(str(tmp_path / "shuffled"))
    made.to_parquet(str(tmp_path / "made.parquet"))
    saved = open_source("s", tmp_path / "saved", "image_text")
    assert same(saved)
    assert same(open_source("s", tmp_path / "made.parquet", "image_text"))
    shuffled = open_source("s", tmp_path / "shuffled", "image_text")
    keys = [{source.key(index) for index in range(COUNT)} for source in (saved, shuffled)]
    assert keys[0] == keys[1]
    ours = write_set(tmp_path / "ours", RECORDS, "arrow")
    assert datasets.Dataset.from_file(str(ours / "data-00000.arrow"))[3]["text"] == RECORDS[3].text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
def test_webdatasets_shards(tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="the package webdataset is not installed")
    with webdataset.ShardWriter(str(tmp_path / "%06d.tar"), maxcount=25, verbose=0) as sink:
        for number, record in enumerate(RECORDS):
            sink.write({"__key__": f"{number:06d}", "png": record.image, "txt": record.text})
    assert same(open_source("s", f"{tmp_path}/{{000000..000002}}.tar", "image_text"))
    ours = write_set(tmp_path / "ours", RECORDS, "tar")
    theirs = webdataset.WebDataset([str(ours / "000000.tar")], shardshuffle=False).decode("rgb8")
    for read, record in zip(theirs, RECORDS, strict=True):
        assert np.array_equal(read["png"], record.image)


def test_cocos_run_lengths():
    coco = pytest.importorskip("pycocotools.mask", reason="the package pycocotools is not installed")
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = tuple(int(side) for side in rng.integers(1, 60, 2))
        blocks = rng.random([side // 5 + 1 for side in size]) < rng.random()
        mask = np.kron(blocks, np.ones((5, 5)))[: size[0], : size[1]] > 0
        packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert np.array_equal(from_annotations([{"segmentation": packed}], size)[0], mask)
