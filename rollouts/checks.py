"""What can be said of a request before anything heavy is loaded: numbers out of range, names there are not,
folders and files that are missing, an output that cannot be written.

So a mistake is told within a second or two, before torch is imported. What only a simulator, a model or the
data can know, they say later. Nothing is read but the words, and nothing made but the output's folder, last.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from envs.base import FIRST_HELD_OUT_SEED
from envs.errors import EnvError
from envs.suites import suite
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.worklist import one_level, one_task, shard_numbers, tasks_by_level
from uio2_agent.errors import described, did_you_mean, offered

PRECISIONS = ("float32", "bfloat16", "float16")
DATASET_ACTIONS = ("verify", "stats", "merge", "compact", "replay", "card", "export", "push")
DATASET_FORMATS = ("lerobot21", "minari", "robomimic", "rlds")
HOUSE_FORMATS = ("glb", "mjcf", "procthor", "habitat")
_INFERENCE = {"inference": 0, "inference_batch": 1, "inference_wait": 0}
_LEAST = {
    "rollout": {"episodes": 1, "slots": 1, "workers": 1, "videos": 0, "seed": 0, **_INFERENCE},
    "collect": {"episodes": 1, "slots": 1, "workers": 1, "seed": 0, **_INFERENCE},
    "train": {"evaluate.episodes": 1, "evaluate.seed": 0},
    "inspect": {"episodes": 1},
    "dataset": {"episodes": 0, "tolerance": 0, "file_mb": 1},
    "house": {"index": 0},
    "thor-player": {"width": 1, "height": 1},
    "generate": {
        **{"max_new_tokens": 0, "temperature": 0, "top_p": 0, "seed": 0},
        **{"beams": 1, "guidance": 0, "locality": 0},
    },
    "play": {"seed": 0, "port": 0},
    "serve": {"port": 0, "batch": 1, "wait": 0},
    "imagine": {
        **{"episodes": 1, "slots": 1, "shown": 0, "seed": 0, "draw_seed": 0},
        **{"temperature": 0, "top_p": 0, "guidance": 0},
    },
}
_LEAST["improve"] = {
    **{"rounds": 0, "led": 0, "noise": 0, "astray": 1, "own": 0, "steps": 1, "batch_size": 1, "seed": 0},
    **{"validation_episodes": 1, "test_episodes": 1, "collect_seed": 0, "slots": 1, "workers": 1},
    **{"learning_rate": 0, "goal_share": 0},
}
_LEAST["evaluate"] = _LEAST["rollout"]
_MOST = {
    "generate": {"top_p": 1},
    "imagine": {"top_p": 1},
    "improve": {"noise": 1, "goal_share": 1},
    "play": {"port": 65535},
    "serve": {"port": 65535},
}


def check(command: str, keys: Mapping[str, Any]) -> None:
    """Raise the error of a request that cannot be met, if that can be seen from its words alone."""
    check_ranges(command, keys)
    if command in _CHECKS:
        _CHECKS[command](keys)
    if (output := keys.get("output")) is not None:
        claim(output)


def check_ranges(command: str, keys: Mapping[str, Any]) -> None:
    """Raise RolloutError for a number that is out of the range of its key; `keys` may be flat or nested."""
    for names, wrong, word in ((_LEAST, float.__lt__, "least"), (_MOST, float.__gt__, "most")):
        for name, bound in names.get(command, {}).items():
            value = _value(keys, name)
            if value is not None and wrong(float(value), float(bound)):
                raise RolloutError(f"{name} must be at {word} {bound}, found {name}={value}")


def _value(keys: Mapping[str, Any], name: str) -> Any:
    above, _, last = name.rpartition(".")
    return (keys[above] if above else keys).get(last)


def _played(keys: Mapping[str, Any]) -> None:
    places = tasks_by_level(keys["env"], keys["task"], keys["level"])
    _check_policy(keys)
    _check_options(keys, *next(iter(places.items())))


def _imagined(keys: Mapping[str, Any]) -> None:
    from uio2_agent.formats.json_file import read_object
    from uio2_agent.formats.packaged import checkpoint_directory, config_file

    places = tasks_by_level(keys["env"], keys["task"], keys["level"])
    written = read_object(config_file(checkpoint_directory(keys["model"])))
    if "image" not in written.get("target_modalities", ("image",)):  # official ones do not say
        raise RolloutError(
            f"model={keys['model']} answers with no pictures: train one from nano_goal (docs/imagination.md)"
        )
    _check_device(keys["device"])
    _check_options(keys, *next(iter(places.items())))


def _collected(keys: Mapping[str, Any]) -> None:
    shard_numbers(keys["shard"])
    place = one_level(keys["env"], keys["task"], keys["level"])
    _check_policy(keys)
    _check_options(keys, *place)
    if keys["seed"] + keys["episodes"] > FIRST_HELD_OUT_SEED:  # perhaps too far: the collection knows
        from rollouts.commands.collect import configured

        configured(keys)


def _watched(keys: Mapping[str, Any]) -> None:
    _check_options(keys, *one_task(keys["env"], keys["task"], keys["level"]))


def _check_policy(keys: Mapping[str, Any]) -> None:
    from policies.loading import SCHEMES, check_policy

    check_policy(keys["policy"], keys["policy_args"])
    if keys.get("inference") and keys["policy"].startswith(SCHEMES):
        raise RolloutError("a policy server makes batches by itself: leave inference= out")


def _check_options(keys: Mapping[str, Any], level: str, tasks: tuple[str, ...]) -> None:
    """Options of an environment are its own to judge: one is made, which brings its simulator, as
    playing will, and takes a millisecond or two more.
    """
    if not keys["env_kwargs"]:
        return
    try:
        suite(keys["env"]).make(tasks[0], level, **keys["env_kwargs"]).close()
    except EnvError:
        raise
    except Exception as error:  # arguments of gymnasium's own, or of somebody's class
        given = ", ".join(f"{name}={value!r}" for name, value in keys["env_kwargs"].items())
        raise RolloutError(f"env_kwargs make no environment: {given}: {described(error)}") from error


def _trained(keys: Mapping[str, Any]) -> None:
    from policies.style import PromptStyle
    from pretrain.schedule import SHAPES
    from rollouts.commands.train_settings import configured
    from uio2_agent.config import PRESETS
    from uio2_agent.formats.packaged import checkpoint_directory

    for folder in keys["data"] if isinstance(keys["data"], list) else [keys["data"]]:
        _check_folder(folder, "name a dataset with data=")
    if keys["model"] not in PRESETS:
        checkpoint_directory(keys["model"])
    _check_name("schedule", keys["schedule"], SHAPES)
    _check_device(keys["device"])
    configured(keys)
    PromptStyle.from_dict({**PromptStyle().to_dict(), **keys["style"]})
    asked = keys["evaluate"]
    if keys["evaluate_every"]:
        tasks_by_level(asked["env"], asked["task"], asked["level"])


def _improved(keys: Mapping[str, Any]) -> None:
    from policies.loading import SCRIPTED
    from pretrain.schedule import SHAPES
    from rollouts.improving.settings import ImproveConfig
    from uio2_agent.formats.packaged import checkpoint_directory

    if keys["policy"] in SCRIPTED:
        raise RolloutError(
            f"policy={keys['policy']} learns nothing: name a packaged model or a checkpoint directory"
        )
    checkpoint_directory(keys["policy"])
    _check_policy(keys)
    config = ImproveConfig(**keys)
    _check_name("schedule", config.train.get("schedule"), SHAPES)
    _check_device(config.train.get("device", "auto"))
    for folder in config.datasets:
        _check_folder(folder, "name a dataset with data=")
    _check_options(keys, *config.tasks())


def _pretrained(keys: Mapping[str, Any]) -> None:
    from pretrain.recipes import recipe_file
    from rollouts.commands.train_settings import pretraining
    from uio2_agent.config import PRESETS
    from uio2_agent.formats.packaged import checkpoint_directory

    if keys["model"] not in PRESETS:
        checkpoint_directory(keys["model"])
    recipe_file(keys["mixture"])
    _check_device(keys["device"])
    pretraining(keys)


def _tokenizer_trained(keys: Mapping[str, Any]) -> None:
    from pretrain.recipes import recipe_file
    from rollouts.commands.train_settings import tokenizer_training
    from uio2_agent.config import PRESETS
    from uio2_agent.formats.packaged import checkpoint_directory

    if keys["model"] not in PRESETS and not Path(keys["model"]).is_file():
        checkpoint_directory(keys["model"])
    recipe_file(keys["mixture"])
    _check_device(keys["device"])
    tokenizer_training(keys)


def _generated(keys: Mapping[str, Any]) -> None:
    from rollouts.commands.generate_request import read_keys
    from uio2_agent.formats.packaged import checkpoint_directory

    asked = read_keys(keys)
    _check_name("target", asked["target"], ("text", "image", "audio"))
    _check_name("dtype", asked["dtype"], PRECISIONS[:2])
    _check_device(asked["device"])
    checkpoint_directory(asked["model"])
    for name in ("image", "audio", "video", "tokenizer", "vocoder"):
        _check_files(name, [asked[name]] if asked[name] else [])
    for name in ("image_history", "audio_history"):
        _check_files(name, asked[name])


def _converted(keys: Mapping[str, Any]) -> None:
    from uio2_agent.formats.packaged import checkpoint_directory

    checkpoint_directory(keys["source"])
    _check_name("dtype", keys["dtype"], PRECISIONS)
    for name in ("tokenizer", "vocoder"):
        _check_files(name, [Path(keys[name])] if keys[name] else [])


def _compared(keys: Mapping[str, Any]) -> None:
    for name in ("first", "second"):
        _check_folder(keys[name], "name what uio2 evaluate or rollout wrote")


def _inspected(keys: Mapping[str, Any]) -> None:
    _check_folder(keys["path"], "name a dataset or an evaluation")


def _dataset(keys: Mapping[str, Any]) -> None:
    action, paths = keys["action"], keys["path"]
    _check_name("action", action, DATASET_ACTIONS)
    if isinstance(paths, list) and action != "merge":
        raise RolloutError(f"{action} takes one folder, found path={paths}")
    for path in paths if isinstance(paths, list) else [paths]:
        _check_folder(path, "name a LeRobot dataset")
    _check_name("format", keys["to"], DATASET_FORMATS)
    needed = {"merge": ["output"], "compact": ["output"], "export": ["to", "output"], "push": ["repo"]}
    for name in needed.get(action, ()):
        if keys[name] is None:
            raise RolloutError(f"uio2 dataset {action} needs {name}=...; uio2 dataset --help says what it is")
    if action == "push" and not re.fullmatch(r"[\w.-]+/[\w.-]+", keys["repo"]):
        raise RolloutError(f"repo={keys['repo']} is no repository: write owner/name")


def _exported(keys: Mapping[str, Any]) -> None:
    _check_name("action", keys["action"], ("export",))
    _check_name("format", keys["to"], HOUSE_FORMATS)
    _check_name("format", keys["from"], HOUSE_FORMATS)
    seeded = keys["house"].removeprefix("seed:").isdecimal()
    if seeded and len(keys["house"]) > 20:
        raise RolloutError("a house's seed has at most 15 digits")
    if not seeded:
        _check_files("house", [Path(keys["house"]).expanduser()])
    if keys["assets"] is not None:
        _check_files("assets", [Path(keys["assets"]).expanduser()])


def _started(keys: Mapping[str, Any]) -> None:
    if keys["assets"]:
        _check_files("assets", [Path(keys["assets"]).expanduser()])


def _completed(keys: Mapping[str, Any]) -> None:
    from rollouts.completion import SHELLS

    _check_name("shell", keys["shell"], SHELLS)


_CHECKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    **{"rollout": _played, "evaluate": _played, "collect": _collected, "play": _watched},
    **{"train": _trained, "pretrain": _pretrained, "train-tokenizer": _tokenizer_trained},
    **{"imagine": _imagined, "improve": _improved, "generate": _generated, "convert": _converted},
    **{"compare": _compared, "inspect": _inspected, "house": _exported, "thor-player": _started},
    "dataset": _dataset,
    "completion": _completed,
    "serve": _check_policy,
}


def _check_name(kind: str, asked: str | None, names: Iterable[str]) -> None:
    if asked is not None and asked not in names:
        raise RolloutError(
            f"there is no {kind} {asked!r}{did_you_mean(asked, names)}: choose one of {offered(asked, names)}"
        )


def _check_device(name: str) -> None:
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", name):
        raise RolloutError(f"there is no device {name!r} here: choose one of auto, cpu, cuda, cuda:0, ...")


def _check_folder(path: str, advice: str) -> None:
    if not os.path.isdir(os.path.expanduser(path)):
        raise RolloutError(f"{path} is no directory; {advice}")


def _check_files(name: str, paths: Iterable[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise RolloutError(f"{name}: there is no file {path}")
