"""Packing: which examples share a row, where tokens go, who may look at whom, and a whole packed network.

Unusual: our rows hold one example after the other; the recorded ones hold all of one modality first. Laying
out each modality by itself, then the modalities as parts, gives the recorded order with the same code.
"""

import re

import numpy as np
import torch
from torch import Tensor

from pretrain.packing.batches import constrained_batches
from pretrain.packing.packer import Limits
from pretrain.packing.pairs import PairPacker
from tests.training_parity.compare import Check, Errors, Values, different, distance, relative
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.formats.official_names import name_to_official
from uio2_agent.inputs.batch import Batch, TextInput, TokenTarget
from uio2_agent.model import Network
from uio2_agent.network.packed_masks import Slots, earlier_target, same_segment
from uio2_agent.network.packing import Layout

_NAMES = {
    "text_table.weight": "text_token_embedder.embedding",
    "inputs.text.modality": "input_text_encoder.modality_embedding",
    "targets.text.modality": "target_encoders_text.modality_embedding",
}
"""What the recording network calls weights whose names differ from those of the released checkpoints."""
_PRE_NORM = re.compile(r"(pre_\w+)_norm")


def check_pairs(case: Values) -> Errors:
    """Compare the pairs of a stream, examples longer than a row and an end without a flush included."""
    limits = Limits(case["max_in"], case["max_out"])
    packer = PairPacker(limits, case["pool"], flush=False, refuse=False)
    rows = packer.pack([tuple(lengths) for lengths in case["lengths"]]).rows
    return {"pairs": different(case["pairs"], _numbered(rows, 2))}


def check_batches(case: Values) -> Errors:
    found = constrained_batches(case["counts"], case["max_counts"], case["batch_size"], case["pool"])
    return {"batches": different(case["batches"], _numbered(found, case["batch_size"]))}


def _numbered(rows: list[list[int]], length: int) -> list[list[int]]:
    return [[*(number + 1 for number in row), *[0] * (length - len(row))] for row in rows]


def check_layout(case: Values) -> Errors:
    """Compare packing, folding and the way back; where the recorded row is a slot too short, what it kept."""
    count = int(case["n_seq"])
    masks = [torch.from_numpy(case[f"mask{part}"]).bool() for part in range(count)]
    values = {
        name: [torch.from_numpy(case[f"{name}{part}"]) for part in range(count)] for name in ("embed", "pos")
    }
    examples = len(masks[0])
    errors: Errors = {}
    kinds = {"packed": 1} | {f"fold{n}": n for n in (2, 3) if f"fold{n}_embed" in case}
    for kind, together in kinds.items():
        rows = [list(range(first, first + together)) for first in range(0, examples, together)]
        folds = [Layout.of([mask], rows) for mask in masks]
        joined = Layout.of([fold.mask for fold in folds], [[row] for row in range(len(rows))])
        length = int(case["out_len" if kind == "packed" else f"{kind}_len"])
        found = joined.fold([joined.present(i, fold.mask) for i, fold in enumerate(folds)])
        errors[f"{kind}_mask"] = different(case[f"{kind}_mask"], _padded(found, length))
        for name, parts in values.items():
            if f"{kind}_{name}" not in case:
                continue
            folded = [fold.fold([fold.present(0, part)]) for fold, part in zip(folds, parts, strict=True)]
            found = joined.fold([joined.present(i, part) for i, part in enumerate(folded)])
            errors[f"{kind}_{name}"] = distance(case[f"{kind}_{name}"], _padded(found, length))
            for i, fold in enumerate(folds if name == "embed" else []):
                if (expected := case.get(f"{kind}_unpacked{i}")) is not None:
                    back = joined.unfold(i, found, tuple(folded[i].shape[:2]))
                    errors[f"{kind}_unpacked{i}"] = distance(
                        expected, fold.unfold(0, back, tuple(masks[i].shape))
                    )
        if f"{kind}_segment" in case:
            expected = case[f"{kind}_segment"] - together * np.arange(len(rows))[:, None]
            found = joined.fold([joined.present(i, fold.segment) for i, fold in enumerate(folds)])
            held = case[f"{kind}_mask"] > 0
            errors[f"{kind}_segment"] = different(expected[held], _padded(found, length).numpy()[held])
    if "trunc_embed" in case:
        whole = Layout.of(masks, [[row] for row in range(examples)])
        found = whole.fold([whole.present(i, part) for i, part in enumerate(values["embed"])])
        length = int(case["trunc_len"])
        errors["trunc_embed"] = distance(case["trunc_embed"], _padded(found, length))
    return errors


def _padded(rows: Tensor, length: int) -> Tensor:
    """Return rows [R, L, ...] with zeros behind, or cut, to a length."""
    wide = rows.new_zeros(len(rows), length, *rows.shape[2:])
    wide[:, : rows.shape[1]] = rows[:, :length]
    return wide


def check_masks(case: Values) -> Errors:
    """Compare the masks of encoder, decoder and cross-attention; a query that is empty looks nowhere."""
    here, inputs = (torch.from_numpy(case[name]) > 0 for name in ("target_mask", "input_mask"))
    parts = {name: torch.from_numpy(case[name]) for name in ("segment", "subsegment", "modality")}
    segment = parts["segment"].where(here, -1)
    source = torch.from_numpy(case["input_segment"]).where(inputs, -1)
    answer = parts["modality"] + (parts["modality"].max() + 1) * parts["subsegment"]
    place = torch.arange(here.shape[1]).expand_as(here)
    target = Slots(segment, answer, place, torch.zeros_like(place))
    keys = Slots(source)
    rules = {
        "encoder_mask": (same_segment, keys, keys),
        "decoder_mask": (earlier_target(None), target, target),
        "cross_mask": (same_segment, target, keys),
    }
    errors: Errors = {}
    for name, (rule, query, key) in rules.items():
        allowed = rule(query[:, :, None], key[:, None])
        errors[name] = different(case[name], allowed[:, None].numpy())
    return errors


def check_network(case: Values) -> Errors:
    """Compare logits, loss and gradients of the recorded network, alone and two examples a row."""
    network = _network(case)
    batch, rows = _batch(case), [[0, 1], [2, 3]]
    counted = case["batch/targets.text.mask"] > 0
    errors: Errors = {}
    for kind, shared, loss in (("logits", None, "loss_z1e-4"), ("logits_packed", rows, "loss_packed")):
        network.zero_grad()
        output = network(batch, z_loss=1e-4, rows=shared)
        output.loss.backward()
        logits = output.logits["text"][output.masks["text"]]
        errors[kind] = distance(case[kind][counted], logits)
        errors[loss] = relative(case[loss], output.loss)
        for name, parameter in _compared(network):
            gradient = _recorded(case, "grad", name)
            errors[f"{kind}, gradient of {name}"] = distance(gradient, parameter.grad)
    return errors


def _network(case: Values) -> Network:
    """Return the recorded network: text in, text out, 2 + 2 layers of width 16."""
    tower = dict(
        width=8, heads=1, head_dim=8, mlp_dim=8, layers=2, patch_size=16, channels=3, positions=(1, 1)
    )
    config = UnifiedIO2Config.from_dict(
        dict(
            width=16,
            heads=2,
            head_dim=8,
            mlp_dim=24,
            encoder_layers=2,
            decoder_layers=2,
            text_rows=len(case["param/text_token_embedder.embedding"]),
            input_modalities=("text",),
            target_modalities=("text",),
            image_encoder=tower,
        )
    )
    network = Network(config)
    with torch.no_grad():
        for name, parameter in _compared(network):
            parameter.copy_(torch.from_numpy(_recorded(case, "param", name)))
    return network


def _compared(network: Network) -> list[tuple[str, torch.nn.Parameter]]:
    """Return the weights that text in and text out need."""
    found = network.named_parameters()
    return [(name, weight) for name, weight in found if not name.startswith("image_encoder.")]


def _recorded(case: Values, kind: str, name: str) -> np.ndarray:
    """Return a recorded array by our name of the weight; kernels are transposed."""
    official = _NAMES.get(name) or _PRE_NORM.sub(r"\1_layer_norm", name_to_official(name))
    if official.endswith(".weight"):
        return case[f"{kind}/{official.removesuffix('.weight')}.kernel"].T
    return case[f"{kind}/{official}"]


def _batch(case: Values) -> Batch:
    def part(side: str, *kinds: str) -> list[Tensor]:
        tensors = [torch.from_numpy(case[f"batch/{side}.text.{kind}"]) for kind in kinds]
        return [t.bool() if kind == "mask" else t.long() for t, kind in zip(tensors, kinds, strict=True)]

    target = TokenTarget(*part("targets", "inputs", "targets", "mask", "pos_ids"))
    return Batch(TextInput(*part("inputs", "tokens", "mask", "pos_ids")), text_target=target)


CHECKS = {
    "pair_examples": Check(check_pairs),
    "batch_with_constraints": Check(check_batches),
    "pack_sequences": Check(check_layout, 1e-6),
    "packed_attention_masks": Check(check_masks),
    "packed_transformer": Check(check_network, 1e-5),
}
