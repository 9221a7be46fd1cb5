"""Write a folder of the fixture format from the reference: `python -m tests.uio2_agent.make_folder DIR`.

The folder holds the models of official_sizes.py with random weights, and for each the cases of whole models
that the README of the shared fixtures lists, with its array names. It knows nothing of uio2_agent.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from tests.uio2_agent import reference_generation as generation
from tests.uio2_agent.official_batches import Batches
from tests.uio2_agent.official_sizes import SUPPORTED, official_config, official_state
from tests.uio2_agent.reference import Reference

FROZEN = (".image_encoder.vision_transformer.", ".vqgan.")
WHOLE = (
    "text_token_embedder.weight",
    "image_token_embedder.weight",
    "encoder.layers_0.attention.query.weight",
    "decoder.layers_0.mlp.wi_0.weight",
    "input_embedders.image_history.resampler.perceiver.latents",
    "input_embedders.audio.modality_embedding",
    "target_embedders.image.modality_embedding",
)
"""Gradients that are recorded whole."""


def _arrays(batch, where="in"):
    return {
        f"{where}/{name}": value.numpy() if value.is_floating_point() else value.int().numpy()
        for name, value in batch.items()
    }


def forward_case(reference, batch, patterns=None):
    outputs, middle = reference.forward(batch)
    arrays = _arrays(batch)
    for modality, (logits, targets, mask) in outputs.items():
        arrays |= {
            f"out/{modality}/logits": logits,
            f"out/{modality}/targets": targets.int(),
            f"out/{modality}/mask": mask.int(),
        }
    arrays |= {f"mid/{name}": value for name, value in middle.items()}
    if patterns is not None:
        ((modality, (logits, _, _)),) = patterns.forward(batch)[0].items()
        arrays["aux/patched_pattern_applied_logits"] = logits
    return arrays


def loss_case(reference, batch):
    state = {name: value.clone().requires_grad_() for name, value in reference.state.items()}
    found = generation.losses(Reference(state, reference.config).forward(batch)[0])
    total = sum(loss for loss, _ in found.values())
    total.backward()
    arrays = _arrays(batch) | {"out/loss/total": total.detach()}
    for modality, (loss, square) in found.items():
        arrays |= {f"out/loss/{modality}": loss.detach(), f"out/mean_sq_logZ/{modality}": square.detach()}
    frozen = {name for name in state if any(part in name for part in FROZEN)}
    gradients = {name: None if name in frozen else value.grad for name, value in state.items()}
    norms = [-1.0 if value is None else float(value.norm()) for value in gradients.values()]
    arrays |= {"out/param_names": np.array(list(gradients)), "out/grad_norms": np.array(norms, np.float32)}
    return arrays | {f"out/grad/{name}": gradients[name] for name in WHOLE}


def greedy_case(reference, modality, batch, steps, **options):
    ids, scores = generation.greedy(reference, modality, batch, steps, **options)
    arrays = _arrays(batch) | {"out/sequences": ids, "out/scores": scores}
    return arrays | {"out/step_margin": generation.step_margin(scores)}


def early_stop_case(reference, draw, steps):
    """An end token that the first row of a drawn batch chooses early and the second does not."""
    for batch in (draw() for _ in range(100)):
        free, _ = generation.greedy(reference, "text", batch, steps, eos=-1)
        early = [int(token) for token in free[0, 3 : steps // 2] if token not in free[1]]
        if early:
            arrays = greedy_case(reference, "text", batch, steps, eos=early[0])
            return arrays | {"in/eos_token_id": np.array(early[0])}
    raise RuntimeError("no drawn batch has a token that one row chooses and the other does not")


def guided_case(reference, batch, negative, scale):
    """A picture ends at the end token like a text; officially there is none where all rows end early."""
    count = int(np.prod(reference.code_grid("image")))
    arrays = greedy_case(reference, "image", batch, count, negative=negative, guidance=scale)
    ids = arrays["out/sequences"]
    arrays |= _arrays(negative, "neg") | {"in/guidance_scale": np.float32(scale)}
    if ids.shape[1] == count + 1:
        codes = (ids[:, 1:] - 2).clamp(0, reference.config["image_vqgan"]["n_embed"] - 1)
        arrays["out/image"] = reference.tokenizers.decode_image(codes)
    return arrays | {"out/sequences": ids.repeat(2, 1)}


def audio_case(reference, batch):
    """Likewise for a sound."""
    rows, columns = reference.code_grid("audio")
    arrays = greedy_case(reference, "audio", batch, rows * columns)
    ids = arrays["out/sequences"]
    if ids.shape[1] == rows * columns + 1:
        codes = (ids[:, 1:] - 2).clamp(0, reference.config["audio_vqgan"]["vocab_size"] - 1)
        codes = codes.unflatten(1, (columns, rows)).transpose(1, 2).flatten(1)
        arrays["out/spectrogram"] = reference.tokenizers.decode_audio(codes)
    return arrays


def parts_case(reference, batches):
    """Feature encoders, resamplers and tokenisers apart; reconstructions as the networks leave them."""
    arrays = {}
    for given, modality in (("image", "image"), ("image_hist", "image_history"), ("audio", "audio")):
        batch = batches.patches(modality, 2, 5)
        patches, mask, positions = (
            batch[f"inputs/{modality}/{part}"] for part in ("input", "mask", "pos_ids")
        )
        kind, grid = modality.removesuffix("_history"), reference.input_grid(modality)
        last, second = reference.feature_encoder(kind, patches, mask, positions, grid)
        arrays |= {f"in/{given}/input": patches, f"in/{given}/mask": mask, f"in/{given}/pos_ids": positions}
        tower = {"image_hist": "image_vit_hist"}.get(given, f"{given}_vit")
        arrays |= {f"in/{given}/patch_num": np.array(grid), f"out/{tower}/last": last}
        if given == "image":
            arrays["out/image_vit/second"] = second
            continue
        history, stage = f"{kind}_history", f"{kind}_hist"
        context = reference.linear(last, f"input_embedders.{history}.pre_projection")
        resampled = reference.resample(history, context, mask)
        projected = reference.linear(resampled, f"input_embedders.{history}.post_projection")
        arrays |= {f"out/{stage}/pre_projection": context, f"out/{stage}/resampled": resampled}
        arrays[f"out/{stage}/post_projection"] = projected
    tokenizers = reference.tokenizers
    image = batches.code_target("image", 2)["targets/image/image"].permute(0, 3, 1, 2)
    sound = batches.code_target("audio", 2)["targets/audio/audio"].transpose(1, 2)
    for prefix, given, values, part in (
        ("vqgan", "image", image, tokenizers.image_parts),
        ("vitvqgan", "spec", sound, tokenizers.audio_parts),
    ):
        latents, indices, vectors, picture = part(values)
        arrays |= {f"in/{prefix}/{given}": values, f"in/{prefix}/codes": indices}
        arrays |= {f"out/{prefix}/pre_quant": latents, f"out/{prefix}/indices": indices.int()}
        arrays |= {f"out/{prefix}/quantised": vectors, f"out/{prefix}/reconstruction": picture}
        arrays[f"out/{prefix}/decode_code"] = picture
    return arrays


def cases(reference, seed):
    """Name and arrays of each case of one model."""
    batches = Batches(reference, seed)
    text, target, code = batches.text, batches.text_target, batches.code_target
    patches, everything = batches.patches, batches.everything
    patterns = Reference(reference.state, reference.config, pattern_masks=True)
    rows, columns = reference.code_grid("image")
    yield "text_only", forward_case(reference, text(3, 10) | target(3, 7))
    yield "image_text_to_text", forward_case(reference, text(2, 6) | patches("image", 2) | target(2, 5))
    yield "image_subset_to_text", forward_case(reference, text(2, 8) | patches("image", 2, 7) | target(2, 6))
    history = patches("image_history", 1, frames=3) | patches("audio_history", 1, 5, frames=2)
    yield "history_to_text", forward_case(reference, text(1, 6) | history | target(1, 5))
    absent = {name: torch.zeros_like(value) for name, value in history.items()}
    yield "absent_history_to_text", forward_case(reference, text(1, 6) | absent | target(1, 5))
    yield "all_to_text", forward_case(reference, everything(3) | target(3, 8))
    for modality in ("image", "audio"):
        batch = text(2, 7) | patches(modality, 2, 6) | code(modality, 2)
        yield f"{modality}_target", forward_case(reference, batch, patterns)
    targets = target(2, 6) | code("image", 2) | code("audio", 2)
    yield "multi_target", forward_case(reference, everything(2) | targets)
    with torch.enable_grad():
        yield "loss_grads", loss_case(reference, everything(2) | targets)
    single = text(1, 8) | patches("image", 1, 6)
    options = batches.text_target(5, 6)["targets/text/targets"]
    kinds = {"out/scores_mean": True, "out/scores_sum_batches_of_2": False}
    scores = {
        name: generation.score_options(reference, single, options, mean) for name, mean in kinds.items()
    }
    yield "score_options", _arrays(single) | {"in/options": options.int()} | scores
    yield "generate_text_greedy", greedy_case(reference, "text", everything(2), 32)
    yield "generate_text_early_stop", early_stop_case(reference, lambda: everything(2), 20)
    beams = everything(2)
    ids, worth = generation.beam_search(reference, beams, 3, 12)
    yield "generate_text_beam3", _arrays(beams) | {"out/sequences": ids, "out/sequences_scores": worth}
    yield "generate_audio", audio_case(reference, text(2, 9) | patches("audio", 2, 5))
    if rows == columns:  # the official code takes the codes of a picture for a square
        main, negative = text(2, 8) | patches("image", 2, 6), text(1, 5) | patches("image", 1, 6)
        yield "encoders_tokenizers", parts_case(reference, batches)
        yield "generate_image_cfg", guided_case(reference, main, negative, 1.7)


def write_folder(directory, names=SUPPORTED, seed=0):
    """Write weights/ and cases/ for the named configurations; returns the directory."""
    for part in ("weights", "cases"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        config = official_config(name)
        reference = Reference(official_state(config, seed + number), config)
        (directory / f"weights/{name}.config.json").write_text(json.dumps(config, indent=1))
        save_file(reference.state, directory / f"weights/{name}.safetensors")
        with torch.no_grad():
            for kind, arrays in cases(reference, seed + number):
                whole = {
                    key: value.numpy() if isinstance(value, torch.Tensor) else value
                    for key, value in arrays.items()
                }
                np.savez_compressed(directory / f"cases/{name}__{kind}.npz", **whole)
    return directory


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_folder(options.directory, seed=options.seed)
