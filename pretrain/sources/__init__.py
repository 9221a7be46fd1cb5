"""Readers of training data, and the layout of our own datasets (`schema`)."""

from pretrain.sources.episode import StoredEpisode
from pretrain.sources.folders import EpisodeFolders
from pretrain.sources.lerobot import EpisodeRecord, LeRobotSource
from pretrain.sources.schema import FIRST_HELD_OUT_SEED, DatasetError
from pretrain.sources.vima_trajectories import VimaEpisode, VimaTrajectories

__all__ = [
    "FIRST_HELD_OUT_SEED",
    "DatasetError",
    "EpisodeFolders",
    "EpisodeRecord",
    "LeRobotSource",
    "StoredEpisode",
    "VimaEpisode",
    "VimaTrajectories",
]
