"""`policy=` on the command line: a word, a directory or somebody's class → a policy."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from policies import embodiments
from policies.base import Policy
from policies.style import STYLE_FILE, load_styles
from uio2_agent.errors import UIO2Error, described, did_you_mean, offered
from uio2_agent.formats.packaged import CONFIG, checkpoint_directory, packaged_checkpoints

SCRIPTED = ("oracle", "random")
"""Policies that are part of the program."""
SCHEMES = ("ws://", "wss://")
"""How the addresses of policy servers begin."""
_LED_BY = "by"
"""Their argument that names another policy."""


def load_policy(spec: str, /, **policy_args: Any) -> Policy:
    """Return the policy that `spec` names.

    Arguments:
        spec: `oracle`, `random`, a packaged checkpoint's name (`nano`), a checkpoint directory, or
            `module:Class`: any class with the methods of `policies.Policy`, importable from the working
            directory or the installation; or `ws://host:port`, a policy server (policies.served).
        policy_args: Handed to the policy (`plan="once"`, `temperature=0.5`, …).

    Raises:
        UIO2Error: Nothing of that name, a module that cannot be imported, an argument the policy does not
            take, or whatever else its constructor raises.
    """
    make, first = _found(str(spec))
    _check_arguments(spec, make, first, policy_args)
    if (by := policy_args.get(_LED_BY)) is not None and spec in SCRIPTED:
        policy_args[_LED_BY] = load_policy(str(by))
    try:
        policy = make(*first, **policy_args)
        missing = [name for name in ("reset", "act", "answer", "name") if not hasattr(policy, name)]
    except (UIO2Error, KeyboardInterrupt):
        raise
    except BaseException as error:  # somebody's class may do anything at all, SystemExit among it
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UIO2Error(
            f"policy={spec}: {_name(make)} cannot be made, {described(error)} "
            f"({Path(place.filename).name}, line {place.lineno})"
        ) from error
    if missing:
        raise UIO2Error(f"policy={spec}: it has no {', '.join(missing)}; derive it from policies.Policy")
    return policy


def check_policy(spec: str, policy_args: Mapping[str, Any]) -> None:
    """Raise the UIO2Error of `load_policy` for a name there is not and for arguments that are not taken.

    Loads no model and brings no torch, unless somebody's module does.
    """
    make, first = _found(str(spec))
    _check_arguments(spec, make, first, policy_args)
    if spec.startswith(SCHEMES):
        from policies.served import server_metadata

        server_metadata(spec)
    if (by := policy_args.get(_LED_BY)) is not None and spec in SCRIPTED:
        check_policy(str(by), {})


def _found(spec: str) -> tuple[Callable[..., Policy], tuple[str, ...]]:
    """What makes the policy, and the arguments that come first."""
    if spec.startswith(SCHEMES):
        from policies.served import ServedPolicy

        return ServedPolicy, (spec,)
    if spec == "oracle":
        from policies.oracle import OraclePolicy

        return OraclePolicy, ()
    if spec == "random":
        from policies.random import RandomPolicy

        return RandomPolicy, ()
    if Path(spec).is_dir() or spec in packaged_checkpoints():
        directory = checkpoint_directory(spec)
        if any(style.goal for style in load_styles(directory, unnamed=embodiments.DEFAULT).values()):
            from policies.goal_image import GoalImagePolicy

            return GoalImagePolicy.from_pretrained, (spec,)
        from policies.unified_io2 import UnifiedIO2Policy

        return UnifiedIO2Policy.from_pretrained, (spec,)
    if ":" in spec:
        return _imported(spec), ()
    names = [*SCRIPTED, *packaged_checkpoints()]
    raise UIO2Error(
        f"policy {spec!r} is no directory and no known name{did_you_mean(spec, names)}: use "
        f"{', '.join(names)}, a directory or module:Class"
    )


def packaged_for(*bodies: str) -> str:
    """Return the name of the packaged model that learned to act as some embodiments; loads no weights.

    Raises:
        UIO2Error: None has.
    """
    names = packaged_checkpoints()
    for name in names:
        if set(bodies) <= load_styles(checkpoint_directory(name), unnamed=embodiments.DEFAULT).keys():
            return name
    raise UIO2Error(
        f"none of the packaged models ({', '.join(names)}) acts as "
        f"{' and '.join(map(repr, bodies))}: name one with policy="
    )


def policy_identity(spec: str, policy_args: Mapping[str, Any] | None = None) -> str | None:
    """Return a digest of what a policy is, None for `oracle` and `random`, which are part of the program.

    Of a checkpoint it covers what is loaded (weights, configuration, tokenizer, style of requests), not what
    else lies in its directory; of somebody's class, the source of its module. Arguments that name a policy, a
    file or a folder (`Policy.names_files`) count by what these hold. Paths do not count.
    """
    own = _own_identity(spec)
    make = _found(spec)[0] if policy_args else None
    named = getattr(getattr(make, "__self__", make), "names_files", {})
    held = [
        f"{name} {digest}"
        for name, words in sorted(named.items())
        if (value := (policy_args or {}).get(name)) not in (None, *words)
        and (digest := _held(str(value))) is not None
    ]
    return hashlib.sha256("\n".join([own or spec, *held]).encode()).hexdigest() if held else own


def _held(name: str) -> str | None:
    """The digest of what a word names: a policy, a file, or all files of a folder."""
    path = Path(name)
    if path.is_file():
        return _digest([path], path.parent)
    if path.is_dir() and not (path / CONFIG).is_file():
        return _digest(sorted(each for each in path.rglob("*") if each.is_file()), path)
    return _own_identity(name)


def _own_identity(spec: str) -> str | None:
    if spec in SCRIPTED:  # whatever folder of that name lies here
        return None
    if spec.startswith(SCHEMES):
        from policies.served import server_identity

        return server_identity(spec)
    if ":" in spec and not Path(spec).is_dir() and spec not in packaged_checkpoints():
        source = inspect.getsourcefile(_imported(spec))
        files = [Path(source)] if source else []
    elif Path(spec).is_dir() or spec in packaged_checkpoints():
        files = _loaded(checkpoint_directory(spec))
    else:
        return None
    return _digest(files)


def _digest(files: Iterable[Path], folder: Path | None = None) -> str:
    """A digest of files, named as they are or as they lie below a folder."""
    digest = hashlib.sha256()
    for path in files:
        name = path.name if folder is None else path.relative_to(folder).as_posix()
        with path.open("rb") as file:
            digest.update(name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
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
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UIO2Error(f"policy={spec}: cannot import {module_name!r}, {described(error)}") from error
    made = getattr(module, class_name, None)
    if not callable(made):
        classes = [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and not name.startswith("_")
        ]
        raise UIO2Error(
            f"policy={spec}: {module_name} has no {class_name!r}{did_you_mean(class_name, classes)}; it has "
            f"{offered(class_name, sorted(classes)) or 'no class'}"
        )
    return made


def _check_arguments(
    spec: str, make: Callable[..., Policy], first: tuple[str, ...], policy_args: Mapping[str, Any]
) -> None:
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # a class in C, which says by itself what it takes
        return
    try:
        signature.bind(*first, **policy_args)
    except TypeError as error:
        takes = list(signature.parameters)[len(first) :]
        raise UIO2Error(
            f"policy={spec}: {error}; policy_args it takes: {', '.join(takes) or 'none'}"
        ) from None
    if hasattr(make, "__self__"):
        make.__self__.check_arguments(spec, policy_args)


def _name(make: Callable[..., Policy]) -> str:
    owner = getattr(make, "__self__", make)
    return getattr(owner, "__qualname__", repr(owner))
