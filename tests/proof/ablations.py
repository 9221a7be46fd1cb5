"""What parts of the training method are worth at a very small size: the same run without each of them.

Usage: python -m tests.proof.ablations REPORT.md PICTURE.svg

A run that was stopped goes on, in build/proof/ablations. The model is nano_all at half its width, which takes
and answers with every modality, and the data are the generated mixture; a seed draws the weights, the order
and the samples, so that all runs of a seed see the same examples.
"""

import json
import statistics
import sys
from pathlib import Path

import torch

from pretrain.curves import METRICS, draw
from pretrain.initialization import smooth_locations
from pretrain.mixture_samples import open_samples
from pretrain.pretrain_settings import PretrainConfig
from pretrain.pretraining import pretrain
from tests.proof.tables import ROOT, table, write
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.files import replace_file
from uio2_agent.inputs.processor import Processor
from uio2_agent.presets import PRESETS
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

PLACE = ROOT / "build" / "proof" / "ablations"
STEPS, EVERY, SEEDS = 300, 30, (0, 1)
VARIANTS = {"all of it": None, "qk_norm": "qk_norm", "masking": "dynamic_masking", "packing": "packing"}
"""Names in the picture, and the part that is left out."""
MODALITIES = ("text", "image", "audio")


def start(seed: int, qk_norm: bool) -> Path:
    """The fresh model that the runs of a seed begin with."""
    folder = PLACE / f"start-{seed}-{'with' if qk_norm else 'without'}"
    if folder.exists():
        return folder
    preset = PRESETS["nano_all"]
    small = dict(width=64, heads=2, head_dim=32, mlp_dim=192)
    parts = ("image_encoder", "audio_encoder", "image_history", "audio_history")
    values = preset | small | {part: {**preset[part], **small} for part in parts}
    method = dict(sparse_patterns=True, dynamic_masking=True, qk_norm=qk_norm)
    config = UnifiedIO2Config.from_dict(values | method)
    torch.manual_seed(seed)
    model = UnifiedIO2(config)
    model.processor = Processor(config, TextTokenizer.packaged())
    smooth_locations(model)
    model.save_pretrained(folder.with_suffix(".part"))
    return folder.with_suffix(".part").rename(folder)


def run(variant: str, seed: int) -> list[dict[str, float]]:
    """Train, or go on; return the points of the curves."""
    output, without = PLACE / f"{variant.replace(' ', '_')}-{seed}", VARIANTS[variant]
    config = PretrainConfig(
        model=str(start(seed, qk_norm=without != "qk_norm")),
        without=None if without in (None, "qk_norm") else (without,),
        mixture="generated",
        output=str(output),
        steps=STEPS,
        batch_size=8,
        learning_rate=0.005,
        warmup=20,
        held_back=0.01,
        validation_examples=4,
        log_every=EVERY,
        seed=seed,
        threads=1,
        workers=0,
        device="cpu",
        tensorboard=False,
    )
    if not (records := points(output)) or records[-1]["step"] < STEPS:
        pretrain(config, open_samples)
    return points(output)


def points(output: Path) -> list[dict[str, float]]:
    """The points that a run has written."""
    file = output / METRICS
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def main(report: str, picture: str) -> int:
    runs = {(variant, seed): run(variant, seed) for seed in SEEDS for variant in VARIANTS}

    def losses(variant: str, modality: str, place: int) -> list[float]:
        return [runs[variant, seed][place][f"validation/{modality}"] for seed in SEEDS]

    curves = []
    for place in range(STEPS // EVERY):
        curves.append({"step": EVERY * (place + 1)})
        for modality in MODALITIES:
            for variant in VARIANTS:
                name = f"{modality}, held back/{variant}"
                curves[-1][name] = statistics.mean(losses(variant, modality, place))
    replace_file(Path(picture), draw(curves, from_zero=False))
    rows = []
    for variant in VARIANTS:
        shown = [" / ".join(f"{loss:.3f}" for loss in losses(variant, name, -1)) for name in MODALITIES]
        skipped = [runs[variant, seed][-1]["left_out/skipped_steps"] for seed in SEEDS]
        named = variant if VARIANTS[variant] is None else f"without {VARIANTS[variant]}"
        rows.append([named, *shown, " / ".join(f"{count:.0f}" for count in skipped)])
    parts = [
        f"Losses on held-back examples after {STEPS} steps of 8 examples of the generated mixture; seeds "
        f"{' / '.join(map(str, SEEDS))}.",
        table(["method", *MODALITIES, "skipped steps"], rows),
    ]
    command = f"python -m tests.proof.ablations {report} {picture}"
    write(report, "Parts of the method, left out one by one", command, *parts)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
