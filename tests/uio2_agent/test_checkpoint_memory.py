"""What loading costs: peak memory of a large file, writes that stay private, building without numbers."""

import json
import subprocess
import sys

import pytest
import torch

from tests.parity.compare import Case
from tests.parity.forward import official_batch
from tests.uio2_agent.official import official_directory, official_weights
from tests.uio2_agent.tiny import tiny_config, tiny_model
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.formats.official_names import official_names
from uio2_agent.unified_io2 import UnifiedIO2
from uio2_agent.weights import write_safetensors

MEASURE = """
import json, sys, torch
from uio2_agent import UnifiedIO2

def status(key):
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1]) * 1024

UnifiedIO2.from_pretrained("nano")  # what code costs is loaded, and no part of what is measured
open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
before = status("VmRSS")
model = UnifiedIO2.from_pretrained(sys.argv[1], processor=False, dtype=torch.float32)
loaded = status("VmHWM") - before
for value in model.state_dict().values():  # every page is read
    value.reshape(-1)[::512].sum()
weights = sum(value.nbytes for value in model.state_dict().values())
print(json.dumps({"weights": weights, "loaded": loaded, "peak": status("VmHWM") - before}))
"""


def large_config():
    """Return an official configuration whose weights fill more than 300 MB in tensors of a few MB."""
    official = UnifiedIO2Config.preset("base").to_official()
    official["t5_config"] |= {"num_encoder_layers": 5, "num_decoder_layers": 5}
    official["t5_config"] |= {"vocab_size": 2048, "image_vocab_size": 2048, "audio_vocab_size": 1024}
    official["image_vit_cfg"]["num_layers"] = official["audio_vit_cfg"]["num_layers"] = 2
    official["image_vqgan"] |= {"ch": 32, "n_embed": 1024}
    official["audio_vqgan"] |= {"encoder_num_layers": 1, "decoder_num_layers": 1, "vocab_size": 512}
    return official


def write_large(directory, form, dtype):
    """Write a directory of such a model, one tensor at a time."""
    official = large_config()
    config = UnifiedIO2Config.from_official(official)
    with torch.device("meta"):
        weights = UnifiedIO2(config).state_dict()
    names = official_names(config, weights)
    layout = {names[name]: value.to(dtype) for name, value in weights.items()}
    noise = torch.randn(4_000_000)

    def values(order):
        return ((name, noise[: layout[name].numel()].reshape(layout[name].shape)) for name in order)

    (directory / "config.json").write_text(json.dumps(official))
    if form == "safetensors":
        write_safetensors(directory / "model.safetensors", layout, values)
    else:
        tensors = {name: value.to(dtype).clone() for name, value in values(layout)}
        torch.save(tensors, directory / "pytorch_model.bin")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("form", "stored"),
    [("pickle", torch.float32), ("safetensors", torch.float32), ("safetensors", torch.bfloat16)],
)
def test_a_float32_load_peaks_at_its_weights(tmp_path, form, stored):
    """Resident memory above what it was before, mapped pages counted, after every weight was touched."""
    write_large(tmp_path, form, stored)
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for path in tmp_path.iterdir():
        path.unlink()
    assert found["weights"] > 300e6
    assert found["peak"] < 1.15 * found["weights"]
    if stored is torch.float32:  # nothing is read, let alone copied, before it is used
        assert found["loaded"] < 0.1 * found["weights"]


@pytest.mark.parametrize("form", ["pickle", "safetensors"])
def test_weights_are_ordinary_and_writes_stay_in_the_process(shared, tmp_path, form):
    directory = official_directory(shared, tmp_path / "model", form)
    path = next(p for p in directory.iterdir() if p.name != "config.json")
    before = path.read_bytes()
    model = UnifiedIO2.from_pretrained(directory, processor=False)
    batch = official_batch(Case(shared / "fixtures/uio2/cases/a__all_to_text.npz").arrays)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    losses = []
    for _ in range(2):
        losses.append(model(batch).loss)
        losses[-1].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[1] < losses[0]
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(2).add_(1)
    assert path.read_bytes() == before
    again = UnifiedIO2.from_pretrained(directory, processor=False)
    stored = official_weights(shared)
    names = official_names(again.config, again.state_dict())
    assert all(torch.equal(value, stored[names[name]]) for name, value in again.state_dict().items())


def test_a_model_saved_over_the_file_it_is_mapped_from_stays_whole(tmp_path):
    tiny_model().save_pretrained(tmp_path)
    model = UnifiedIO2.from_pretrained(tmp_path)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    tiny_model(seed=1).save_pretrained(tmp_path)
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    model.save_pretrained(tmp_path)
    again = UnifiedIO2.from_pretrained(tmp_path)
    assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())
    assert not list(tmp_path.glob("*.part"))


def test_the_largest_model_is_built_without_numbers_in_less_than_a_second():
    """Processor time, not the clock's, in a process of its own: also what torch loads on first use counts."""
    code = (
        "import time, torch\n"
        "from uio2_agent import UnifiedIO2, UnifiedIO2Config\n"
        "config, _ = UnifiedIO2Config.preset('xxl'), UnifiedIO2\n"
        "start = time.process_time()\n"
        "with torch.device('meta'): model = UnifiedIO2(config)\n"
        "print(time.process_time() - start, all(value.is_meta for value in model.state_dict().values()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, is_meta = run.stdout.split()
    assert float(seconds) < 1.0 and is_meta == "True"


def test_building_on_meta_leaves_nothing_behind():
    """Constants computed while a model was built without numbers must serve one with numbers."""
    config = tiny_config(position_init=0.31)
    with torch.device("meta"):
        UnifiedIO2(config)
    torch.manual_seed(0)
    model = UnifiedIO2(config)
    assert model.image_encoder.positions[1:].std() > 0.2  # sines of amplitude 0.31 and not noise of 0.02
    assert model.encoder.layers[0].mlp.up.weight.std().item() == pytest.approx(32**-0.5, rel=0.1)


def test_importing_the_public_names_loads_only_what_torch_brings_and_this_package():
    """Time is measured by hand; what takes time is a package that is loaded, and that can be counted."""
    code = (
        "import sys, torch, numpy.random\n"
        "before = {name.partition('.')[0] for name in sys.modules}\n"
        "from uio2_agent import UnifiedIO2, Processor, Request\n"
        "after = {name.partition('.')[0] for name in sys.modules} - before - set(sys.stdlib_module_names)\n"
        "print(*sorted(after), 'torch._dynamo' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["uio2_agent", "False"]
