"""Structs of fixed fields and types: another name is an AttributeError, another type a TypeError."""

import enum
from typing import Any

import numpy as np


class SensorType(enum.Enum):
    NONE = 0
    COLOR = 1
    DEPTH = 2
    SEMANTIC = 4


class SensorSubType(enum.Enum):
    NONE = 0
    PINHOLE = 1


class Struct:
    """Fields with defaults; assignment keeps their types."""

    FIELDS: dict[str, Any]

    def __init__(self) -> None:
        for name, value in self.FIELDS.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.FIELDS:
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, _as(self.FIELDS[name], value, f"{type(self).__name__}.{name}"))


def _as(default: Any, value: Any, where: str) -> Any:
    fine = {
        bool: lambda: isinstance(value, bool),
        int: lambda: isinstance(value, int) and not isinstance(value, bool),
        float: lambda: isinstance(value, int | float | np.floating) and not isinstance(value, bool),
        str: lambda: isinstance(value, str),
    }.get(type(default))
    if fine is not None:
        if not fine():
            raise TypeError(f"(): incompatible function arguments for {where}: {value!r}")
        return type(default)(value)
    if isinstance(default, np.ndarray):
        found = np.asarray(value)
        if found.shape != default.shape:
            raise TypeError(f"(): incompatible function arguments for {where}: {value!r}")
        return found.astype(default.dtype)
    if isinstance(default, enum.Enum) and not isinstance(value, type(default)):
        raise TypeError(f"(): incompatible function arguments for {where}: {value!r}")
    return value


class SimulatorConfiguration(Struct):
    FIELDS = {  # noqa: RUF012
        "scene_id": "", "scene_dataset_config_file": "default", "gpu_device_id": 0, "random_seed": 0,
        "default_agent_id": 0, "create_renderer": True, "allow_sliding": True, "frustum_culling": True,
        "enable_physics": False, "physics_config_file": "./data/default.physics_config.json",
        "load_semantic_mesh": True, "force_separate_semantic_scene_graph": False, "requires_textures": True,
        "override_scene_light_defaults": False, "scene_light_setup": "no_lights",
        "use_semantic_textures": True, "enable_gfx_replay_save": False,
        "leave_context_with_background_renderer": False,
    }  # fmt: skip


class CameraSensorSpec(Struct):
    FIELDS = {  # noqa: RUF012
        "uuid": "rgba_camera", "sensor_type": SensorType.COLOR, "sensor_subtype": SensorSubType.PINHOLE,
        "position": np.array([0, 1.5, 0], np.float32), "orientation": np.zeros(3, np.float32),
        "resolution": np.array([128, 128]), "hfov": 90.0, "near": 0.01, "far": 1000.0, "channels": 4,
        "clear_color": np.array([0, 0, 0, 1.0]), "noise_model": "None",
    }  # fmt: skip

    def check(self) -> None:
        """End the process where the real one does."""
        height, width = self.resolution
        if not self.uuid:
            raise SystemExit("SensorSpec::sanityCheck(): uuid cannot be an empty string")
        if min(height, width) <= 0 or max(height, width) > 16_384:
            raise SystemExit("VisualSensorSpec::sanityCheck(): resolution")
        if not 0 < self.near < self.far:
            raise SystemExit("VisualSensorSpec::sanityCheck(): the near or far plane is illegal.")
        if self.channels != 4:
            raise SystemExit("ImageView: data too small")


class NavMeshSettings(Struct):
    FIELDS = {  # noqa: RUF012
        "cell_size": 0.05, "cell_height": 0.2, "agent_height": 1.5, "agent_radius": 0.1,
        "agent_max_climb": 0.2, "agent_max_slope": 45.0, "region_min_size": 20.0, "region_merge_size": 20.0,
        "edge_max_len": 12.0, "edge_max_error": 1.3, "verts_per_poly": 6.0, "detail_sample_dist": 6.0,
        "detail_sample_max_error": 1.0, "filter_low_hanging_obstacles": True, "filter_ledge_spans": True,
        "filter_walkable_low_height_spans": True,
    }  # fmt: skip

    def set_defaults(self) -> None:
        self.__init__()


class Configuration:
    def __init__(self, sim_cfg: SimulatorConfiguration, agents: list) -> None:
        if not isinstance(sim_cfg, SimulatorConfiguration):
            raise TypeError(f"sim_cfg: {sim_cfg!r}")
        self.sim_cfg, self.agents = sim_cfg, agents
