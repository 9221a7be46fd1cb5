"""A model of uio2-agent as LeRobot's `PreTrainedPolicy`.

A policy folder is LeRobot's (`config.json`, `model.safetensors`, the two processors) with one folder more:
`uio2/` has what the weights belong to, configuration, tokenizer and style of requests, as our checkpoints do.
`python -m lerobot_policy_uio2` makes one. It does not learn here: `uio2 train` does that.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import torch
from huggingface_hub import snapshot_download
from lerobot.configs import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.utils.constants import OBS_IMAGES, OBS_STATE, OBS_STR

from lerobot_policy_uio2.acting import Rows
from lerobot_policy_uio2.configuration_uio2 import LEARNS_ELSEWHERE, UIO2Config
from uio2_agent import Processor, UnifiedIO2
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.checkpoint import (
    TOKENIZER,
    config_values,
    copy_tokenizer,
    read_config,
    read_tokenizer,
    write_json,
)
from uio2_agent.formats.packaged import CONFIG, checkpoint_directory
from uio2_agent.gym import policies

_style = import_module(f"{policies.__name__}.style")
_goal_image = import_module(f"{policies.__name__}.goal_image")

OURS = "uio2"
"""The folder in a policy folder."""
TOLD, STEPS, TASK = f"{OBS_STR}.prompt", f"{OBS_STR}.steps", "task"


class UIO2Policy(PreTrainedPolicy):
    """Act with a model of uio2-agent. See the module's text.

    Arguments:
        config: With `pretrained_path`, the policy folder, unless a model is given.
        model: A loaded model and its styles, by embodiment.
    """

    config_class = UIO2Config
    name = "uio2"

    def __init__(
        self, config: UIO2Config, model: tuple[UnifiedIO2, dict[str, Any]] | None = None, **_: Any
    ) -> None:
        super().__init__(config)
        config.validate_features()
        self.model, self._styles = _built(config.pretrained_path) if model is None else model
        body = config.body
        style = self._styles.get(body.name) or body.style()
        if style.object_boxes:
            raise UIO2Error(
                "this model asks for the boxes of objects, which LeRobot's observations do not hold: train "
                "one with style.object_boxes=false"
            )
        kind = _goal_image.GoalImagePolicy if style.goal else policies.UnifiedIO2Policy
        acting = kind(
            self.model,
            self._styles,
            plan=config.plan,
            temperature=config.temperature,
            batch_size=config.batch_size,
            seed=config.decision_seed,
        )
        self._cameras = tuple(dict.fromkeys(acting.style_of(body).views))
        self._rows = Rows(acting, body)

    @classmethod
    def from_checkpoint(cls, name_or_dir: str | Path, embodiment: str | None = None, **options: Any) -> Self:
        """Return the policy of a checkpoint of ours, by packaged name or directory.

        Arguments:
            name_or_dir: As `UnifiedIO2.from_pretrained` takes it.
            embodiment: Who acts; None where the checkpoint has learned one body only.
            options: Fields of `UIO2Config`.

        Raises:
            UIO2Error: There is no such model, or it has learned several bodies and none is named.
        """
        embodiments = import_module(f"{policies.__name__}.embodiments")
        styles = _style.load_styles(checkpoint_directory(name_or_dir), unnamed=embodiments.DEFAULT)
        if embodiment is None:
            if len(styles) > 1:
                raise UIO2Error(f"{name_or_dir} acts as {', '.join(styles)}: choose one, --embodiment NAME")
            embodiment = next(iter(styles), embodiments.DEFAULT)
        model = UnifiedIO2.from_pretrained(name_or_dir)
        if model.processor is None:
            raise UIO2Error(
                f"{name_or_dir} has no tokenizer: make a directory that has, with "
                "`uio2 convert DIR OUT tokenizer=FILE`, and name that"
            )
        model.vocoder = None  # nobody speaks here
        config = UIO2Config(embodiment=embodiment, push_to_hub=False, **options)
        return cls(config, (model, styles)).to(config.device).eval()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        revision: str | None = None,
        **arguments: Any,
    ) -> Self:
        """Load a policy folder, or a repository of the hub that holds one."""
        folder = Path(pretrained_name_or_path)
        if not folder.is_dir():
            folder = Path(snapshot_download(str(pretrained_name_or_path), revision=revision))
        config = config or PreTrainedConfig.from_pretrained(folder)
        config.pretrained_path = folder
        return super().from_pretrained(folder, config=config, **{"strict": True, **arguments})

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Any] | None = None) -> None:
        super()._save_pretrained(save_directory, state_dict)
        ours = Path(save_directory) / OURS
        ours.mkdir(exist_ok=True)
        text = self.model.processor.tokenizer
        write_json(ours / CONFIG, config_values(self.model.config, text))
        copy_tokenizer(text, ours)
        if self._styles:
            _style.save_styles(ours, self._styles)

    def reset(self) -> None:
        """Forget all episodes."""
        self._rows.reset()

    def select_action(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        """Return the next action of each row, float32 (B, A), on the CPU.

        Arguments:
            batch: `observation.images.CAMERA`, float 0…1 (B, 3, H, W), of the cameras the model looks at;
                `observation.state`; and either `observation.prompt` and `observation.steps`, as
                lerobot_env_uio2 gives them, or `task`, a list of instructions.

        Raises:
            UIO2Error: Something of that is missing, or is another body's.
        """
        wanted = [*(f"{OBS_IMAGES}.{camera}" for camera in self._cameras), OBS_STATE]
        if missing := [key for key in wanted if key not in batch]:
            there = ", ".join(key for key in batch if key.startswith(OBS_STR)) or "none"
            raise UIO2Error(
                f"this policy acts as {self.config.embodiment!r} and looks at {missing[0]}; observations are "
                f"{there} (--rename_map gives them other names)"
            )
        views = {
            camera: _pixels(batch[key])
            for camera in self.config.body.cameras
            if (key := f"{OBS_IMAGES}.{camera}") in batch
        }
        actions = self._rows.act(
            views,
            _numbers(batch[OBS_STATE]).astype(np.float32),
            tasks=batch.get(TASK),
            told=_numbers(batch[TOLD]) if TOLD in batch else None,
            steps=_numbers(batch[STEPS])[:, 0].astype(int) if STEPS in batch else None,
        )
        return torch.from_numpy(actions)

    def predict_action_chunk(self, batch: dict[str, Any], **_: Any) -> torch.Tensor:
        """Return `select_action` as a chunk of one step, (B, 1, A)."""
        return self.select_action(batch)[:, None]

    def forward(self, batch: dict[str, Any]) -> NoReturn:
        """Raise UIO2Error: this policy learns elsewhere."""
        raise UIO2Error(LEARNS_ELSEWHERE)

    def get_optim_params(self) -> Any:
        """Return the weights."""
        return self.parameters()


def _built(folder: Path | None) -> tuple[UnifiedIO2, dict[str, Any]]:
    """The model of a policy folder, its weights still to be read, and its styles."""
    ours = None if folder is None else Path(folder) / OURS
    if ours is None or not ours.is_dir():
        raise UIO2Error(
            f"{folder or 'no folder'} is no policy of type uio2: make one with "
            "`python -m lerobot_policy_uio2 nano FOLDER`, and name it with --policy.path=FOLDER"
        )
    config, official = read_config(ours)
    if (text := read_tokenizer(ours, config, official, None)) is None:
        raise UIO2Error(f"{ours} has no {TOKENIZER}: copy it from where the policy was made")
    model = UnifiedIO2(config)
    model.processor = Processor(config, text)
    embodiments = import_module(f"{policies.__name__}.embodiments")
    return model, _style.load_styles(ours, unnamed=embodiments.DEFAULT)


def _pixels(pictures: torch.Tensor) -> np.ndarray:
    """Pictures float 0…1 (B, 3, H, W) as uint8 (B, H, W, 3)."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).cpu().numpy()


def _numbers(values: torch.Tensor) -> np.ndarray:
    return values.cpu().numpy()
