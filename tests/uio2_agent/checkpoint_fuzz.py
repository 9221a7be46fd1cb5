"""Mutated checkpoints: `python -m tests.uio2_agent.checkpoint_fuzz --count 2000 --seed 1`.

A directory of ours and ones of the official format, tiny, with every part, are changed in one place at a time
and loaded through the public doors. Each must end in one line of UIO2Error within two seconds, or be what its
files say: the same types and values, and a model that answers. What a file may hold is known from the files
themselves, not from our tables.
"""

import argparse
import json
import random
import re
import shutil
import struct
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from policies.embodiments.vima import VIMA
from policies.loading import load_policy
from policies.style import load_styles, save_styles
from tests.uio2_agent.official_sizes import official_config, official_state
from tests.uio2_agent.tiny import full_config, tiny_model
from uio2_agent.errors import UIO2Error
from uio2_agent.request import Request
from uio2_agent.text.train_small_tokenizer import train
from uio2_agent.unified_io2 import UnifiedIO2

SECONDS = 2.0
"""Of processor time, the most a load may take."""
VALUES = (
    *("2048", "", "clip", "\ud800\n", "x" * 1_000_000, 1.5, -0.5, 1e300, True, False, None, {}, [], [[]]),
    *(
        [1, 2, 3],
        0,
        1,
        -1,
        2,
        3,
        7,
        2**31,
        2**63,
        10**12,
        -(10**12),
        {"a": {"b": []}},
        [True, True],
        [10**12, 10**12],
    ),
)
RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "-" + "9" * 4301, "0." + "1" * 100_000),
    *("[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "01", "'a'", ""),
)
"""JSON, or nearly, that Python's writer does not write."""
UNREAD = re.compile(
    r"\.(dropout\w*|droppath_rate|layer_drop|attention_dropout_rate|checkpoint_path|float32_attention_logits"
    r"|dalle_attn_mask|dynamic_unk_mask|attn_qk_norm|attn_scaled_cosine|is_training|encoder_max_audio_length"
    r"|default_image_size|default_audio_size|(image|audio)_patch_size|pos_patch_size|embed_dim|default_input_size)"
    r"(\.|$)"
)
"""Fields of the official configuration that the official code does not compute with."""
MARK = "@@here@@"
KINDS = (*["json"] * 8, "bytes", "file", "weights", "tensors", "tokenizer")
"""Of mutations, as often as they are drawn."""


@dataclass
class Subject:
    """A directory, how it is loaded, and the JSON files in it."""

    directory: Path
    load: Callable[[Path], UnifiedIO2]
    texts: tuple[str, ...]
    official: bool = False


def subjects(root: Path) -> list[Subject]:
    """Write the directories that are changed."""
    model = tiny_model(**full_config().__dict__)
    ours = model.save_pretrained(root / "ours")
    save_styles(ours, {"vima": VIMA.style(small=True)})
    (root / "official").mkdir()
    config = official_config("every_second")
    (root / "official/config.json").write_text(json.dumps(config))
    save_file(official_state(config, 0), root / "official/model.safetensors")
    shards = shutil.copytree(root / "official", root / "shards")
    weights = load_file(shards / "model.safetensors")
    (shards / "model.safetensors").unlink()
    places = {name: f"{index % 2}.safetensors" for index, name in enumerate(weights)}
    for shard in set(places.values()):
        save_file({name: weights[name] for name in weights if places[name] == shard}, shards / shard)
    (shards / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))

    def policy(directory: Path) -> UnifiedIO2:
        return load_policy(str(directory)).model

    def network(directory: Path) -> UnifiedIO2:
        return UnifiedIO2.from_pretrained(directory, processor=False)

    return [
        Subject(ours, policy, ("config.json", "config.json", "policy.json")),
        Subject(root / "official", network, ("config.json",), official=True),
        Subject(shards, network, ("model.safetensors.index.json",), official=True),
    ]


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every value in nested JSON."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def change_json(text: str, draw: random.Random) -> tuple[str, str]:
    """Return JSON changed in one place, and what was done."""
    values = json.loads(text)
    path = draw.choice(list(places(values)))
    holder = values
    for key in path[:-1]:
        holder = holder[key]
    old, where = holder[path[-1]], ".".join(map(str, path))
    kind = draw.choice(["value", "value", "value", "raw", "near", "near", "drop", "add", "twice", "rename"])
    if kind == "value":
        holder[path[-1]] = draw.choice(VALUES)
    elif kind == "near" and type(old) in (int, float):
        holder[path[-1]] = draw.choice([old + 1, old - 1, -old, old * 2, old / 2, old // 2, str(old), [old]])
    elif kind == "near" and isinstance(old, list):
        texts = [str(item) for item in old]
        holder[path[-1]] = draw.choice([old[1:], [*old, *old], old[::-1], {}, old * 100_000, texts])
    elif kind == "near":
        holder[path[-1]] = [old] if isinstance(old, dict | str) or old is None else int(old)
    elif kind == "drop":
        del holder[path[-1]]
    elif kind == "add" or not isinstance(holder, dict):
        values[draw.choice(["colour", "", "x" * 10_000, "\n\x1b[31m"])] = draw.choice(VALUES)
        where = "the whole"
    elif kind == "rename":
        holder[f"{path[-1]}_"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = MARK
    text = json.dumps(values)
    if MARK in text:
        stood = json.dumps(old)
        raw = draw.choice(RAW) if kind == "raw" else f'{stood}, "{path[-1]}": {stood}'
        text = text.replace(json.dumps(MARK), raw)
    return text, f"{kind} of {where}"


def change_bytes(content: bytes, draw: random.Random, end: int | None = None) -> tuple[bytes, str]:
    """Return bytes changed in one place, of the first `end`, and what was done."""
    end = end or len(content)
    place = draw.randrange(end)
    kind = draw.choice(["flip", "flip", "flip", "cut", "grow", "empty", "zeros", "noise"])
    changed = bytearray(content)
    if kind == "flip":
        changed[place] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del changed[place:]
    elif kind == "grow":
        changed[place:place] = draw.randbytes(draw.choice([1, 8, 1000]))
    elif kind == "empty":
        changed.clear()
    else:
        changed[place : place + 16] = bytes(16) if kind == "zeros" else draw.randbytes(16)
    return bytes(changed), f"{kind} at {place}"


def change_file(content: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Return a text file spoilt as a whole, and what was done."""
    kinds = {
        "byte order mark": b"\xef\xbb\xbf" + content,
        "utf-16": content.decode().encode("utf-16"),
        "latin-1": content[:1] + b'"\xe9": 1, ' + content[1:],
        "list": b"[" + content + b"]",
        "null": b"null",
        "deep": b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000,
        "long": content + b" " * 20_000_000,
        "zeros": bytes(1000),
    }
    kind = draw.choice(list(kinds))
    return kinds[kind], kind


def change_tensors(path: Path, draw: random.Random) -> str:
    """Write a safetensors file with other tensors, and say which."""
    weights = load_file(path)
    name = draw.choice(sorted(weights))
    kind = draw.choice(["lost", "extra", "shape", "whole numbers", "double", "header length"])
    if kind == "header length":
        length = draw.choice([0, 1, 7, 2**20, 2**40, 2**63, 2**64 - 1])
        path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
        return f"{kind} {length}"
    changes = {
        "lost": lambda value: None,
        "extra": lambda value: value,
        "shape": lambda value: value.reshape(-1, *value.shape[2:]) if value.dim() > 1 else value[None],
        "whole numbers": lambda value: value.to(torch.int32),
        "double": lambda value: torch.cat([value, value]),
    }
    value = changes[kind](weights[name])
    weights |= {"extra": torch.zeros(3)} if kind == "extra" else {}
    weights = {key: value if key == name else held for key, held in weights.items()}
    save_file({key: held for key, held in weights.items() if held is not None}, path)
    return f"{kind} of {name}"


class Fuzzer:
    """Changes checkpoints in a folder of its own and judges what loading makes of them."""

    def __init__(self, root: Path):
        self.root = root
        self.subjects = subjects(root / "whole")
        train([f"w{i:x} q{i * 7919 % 4093:x}" for i in range(3000)], root / "other.model")
        self.reference = {s.directory: s.load(s.directory) for s in self.subjects}
        self.slowest = 0.0

    def mutate(self, draw: random.Random) -> tuple[Subject, Path, str, str]:
        """Return a changed copy of a subject: what it was, where it lies, which file, what was done."""
        subject = draw.choice(self.subjects)
        place = self.root / "changed"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(subject.directory, place)
        text = draw.choice(subject.texts)
        kind = draw.choice([kind for kind in KINDS if kind != "tokenizer" or not subject.official])
        path = place / text
        if kind == "json":
            changed, done = change_json(path.read_text(), draw)
            path.write_text(changed)
        elif kind in ("bytes", "file"):
            changed, done = (change_bytes if kind == "bytes" else change_file)(path.read_bytes(), draw)
            path.write_bytes(changed)
        elif kind == "tokenizer":
            path = place / "tokenizer.model"
            changed, done = change_bytes(path.read_bytes(), draw)
            if draw.random() < 0.2:
                changed, done = (self.root / "other.model").read_bytes(), "another of the same size"
            path.write_bytes(changed)
        else:
            path = draw.choice(sorted(place.glob("*.safetensors")))
            if kind == "tensors":
                done = change_tensors(path, draw)
            else:
                content = path.read_bytes()
                header = 8 + int.from_bytes(content[:8], "little")
                changed, done = change_bytes(content, draw, header if subject.official else None)
                path.write_bytes(changed)
        return subject, place, path.name, done

    def judge(self, subject: Subject, place: Path, file: str) -> str:
        """Load a directory; returns "refused", "loaded", or in words what is wrong with what happened."""
        start = time.process_time()
        try:
            with warnings.catch_warnings(record=True) as warned:
                model = subject.load(place)
            said = ""
        except UIO2Error as error:
            said = str(error)
        except BaseException as error:  # a Rust extension's panic is no Exception
            return f"raw {type(error).__name__}: {str(error)[:200]}"
        took = time.process_time() - start
        self.slowest = max(self.slowest, took)
        if took > SECONDS:
            return f"took {took:.1f} s"
        if said:
            fine = "\n" not in said and said.isprintable() and len(said) < 1500
            return "refused" if fine else f"said {said[:300]!r}"
        return self.difference(subject, place, file, model, bool(warned)) or "loaded"

    def difference(self, subject: Subject, place: Path, file: str, model: UnifiedIO2, warned: bool) -> str:
        """Say in what a loaded model is not what its files say."""
        reference = self.reference[subject.directory]
        if file.endswith(".json"):
            stated = json.loads((place / file).read_bytes().decode("utf-8-sig"))
            if file == "policy.json":
                styles = load_styles(place, "vima")
                found = {"styles": {name: style.to_dict() for name, style in styles.items()}}
                if "vima" not in styles and not warned:
                    return "silently wrong: the style of no embodiment that is installed"
            elif file == "config.json":
                config = model.config
                found = json.loads(json.dumps(config.to_official() if subject.official else config.to_dict()))
            else:
                found = stated
            if wrong := list(disagreements(stated, found)):
                return f"silently wrong: {', '.join(wrong)}"
        loaded = model.state_dict()
        for name, value in reference.state_dict().items():
            if not torch.equal(value, loaded[name]):
                return f"silently wrong: {name}"
        if not subject.official:
            try:
                answers = [m.generate(Request("Put it there."), max_new_tokens=2) for m in (reference, model)]
            except UIO2Error as error:
                return "" if "\n" not in str(error) else f"said {error}"
            except Exception as error:
                return f"answers with {type(error).__name__}: {error}"
            if file != "config.json" and list(answers[0].tokens) != list(answers[1].tokens):
                return "answers otherwise"
        return ""


def disagreements(stated: Any, found: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of values in JSON that are not found as they stand there, in type or value."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in stated:
            yield from disagreements(stated[name], found.get(name, "absent"), f"{path}.{name}")
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for index, pair in enumerate(zip(stated, found, strict=True)):
            yield from disagreements(*pair, f"{path}.{index}")
    elif UNREAD.search(path):
        return
    elif stated != found or type(stated) not in (type(found), int if type(found) is float else None):
        yield f"{path} is {str(stated)[:60]!r} and {str(found)[:60]!r}"


def fuzz(root: Path, count: int, seed: int) -> tuple[Counter, list[str], float]:
    """Return how often each outcome was, what went wrong, and the slowest load in seconds."""
    fuzzer, outcomes, wrong = Fuzzer(root), Counter(), []
    for number in range(count):
        subject, place, file, done = fuzzer.mutate(random.Random(f"{seed} {number}"))
        outcome = fuzzer.judge(subject, place, file)
        outcomes[outcome if outcome in ("refused", "loaded") else "wrong"] += 1
        if outcome not in ("refused", "loaded"):
            wrong.append(f"{number}: {subject.directory.name}/{file}, {done}: {outcome}")
    return outcomes, wrong, fuzzer.slowest


def main() -> int:
    """Run the command; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description="Load mutated checkpoints.")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes, wrong, slowest = fuzz(Path(folder), options.count, options.seed)
    print(*wrong, sep="\n")
    print(dict(outcomes), f"slowest {slowest:.2f} s")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
