"""`policy=` on the command line: a word, a directory or somebody's class → a policy."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from policies.base import Policy
from policies.style import STYLE_FILE
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.packaged import CONFIG, checkpoint_directory, packaged_checkpoints

SCRIPTED = ("oracle", "random")
"""Policies that are part of the program."""


def load_policy(spec: str, **policy_args: Any) -> Policy:
    """Return the policy that `spec` names.

    Parameters
    ----------
    spec
        `oracle`, `random`, a packaged checkpoint's name (`nano`), a checkpoint directory, or `module:Class`:
        any class with the methods of `policies.Policy`, importable from the working directory or the
        installation.
    policy_args
        Handed to the policy (`plan="once"`, `temperature=0.5`, …).

    Raises
    ------
    UIO2Error
        Nothing of that name, a module that cannot be imported, an argument the policy does not take.
    """
    spec = str(spec)
    if spec.startswith(("ws://", "wss://")):
        raise UIO2Error(
            f"policy={spec}: policies behind a websocket are not built yet; use a name, a directory or "
            "module:Class"
        )
    if spec == "oracle":
        from policies.oracle import OraclePolicy as make
    elif spec == "random":
        from policies.random import RandomPolicy as make
    elif Path(spec).is_dir() or spec in packaged_checkpoints():
        from policies.unified_io2 import UnifiedIO2Policy

        return _call(spec, UnifiedIO2Policy.from_pretrained, policy_args, spec)
    elif ":" in spec:
        make = _imported(spec)
    else:
        names = [*SCRIPTED, *packaged_checkpoints()]
        names = difflib.get_close_matches(spec, names, n=len(names), cutoff=0.0)
        raise UIO2Error(
            f"policy {spec!r} is no directory and no known name: use {', '.join(names)}, a directory or "
            "module:Class"
        )
    return _call(spec, make, policy_args)


def policy_identity(spec: str) -> str | None:
    """Return a digest of what a policy is, None for `oracle` and `random`, which are part of the program.

    Of a checkpoint it covers what is loaded (weights, configuration, tokenizer, style of requests), not what
    else lies in its directory; of somebody's class, the source of its module. Paths do not count.
    """
    if spec in SCRIPTED:  # whatever folder of that name lies here
        return None
    if ":" in spec and not Path(spec).is_dir() and spec not in packaged_checkpoints():
        source = inspect.getsourcefile(_imported(spec))
        files = [Path(source)] if source else []
    elif Path(spec).is_dir() or spec in packaged_checkpoints():
        files = _loaded(checkpoint_directory(spec))
    else:
        return None
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _loaded(directory: Path) -> list[Path]:
    """Return the files of a checkpoint directory that decide what the policy does."""
    from uio2_agent.formats.checkpoint import TOKENIZER  # brings torch: not for scripts
    from uio2_agent.weights import weight_files

    beside = (directory / name for name in (CONFIG, TOKENIZER, STYLE_FILE))
    return sorted([*weight_files(directory), *(path for path in beside if path.is_file())])


def _imported(spec: str) -> Callable[..., Policy]:
    module_name, _, class_name = spec.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # a console script does not look into the working directory by itself
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UIO2Error(
            f"policy={spec}: cannot import {module_name!r} ({error}); is it on PYTHONPATH?"
        ) from error
    if not hasattr(module, class_name):
        classes = [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and not name.startswith("_")
        ]
        raise UIO2Error(
            f"policy={spec}: {module_name} has no {class_name!r}; it has "
            f"{', '.join(sorted(classes)) or 'no class'}"
        )
    return getattr(module, class_name)


def _call(spec: str, make: Callable[..., Policy], policy_args: dict[str, Any], *first: Any) -> Policy:
    try:
        inspect.signature(make).bind(*first, **policy_args)
    except TypeError as error:
        takes = list(inspect.signature(make).parameters)[len(first) :]
        raise UIO2Error(
            f"policy={spec}: {error}; policy_args it takes: {', '.join(takes) or 'none'}"
        ) from None
    policy = make(*first, **policy_args)
    if missing := [name for name in ("reset", "act", "answer", "name") if not hasattr(policy, name)]:
        raise UIO2Error(f"policy={spec}: it has no {', '.join(missing)}; derive it from policies.Policy")
    return policy
