"""Plays episodes, keeps them as datasets, evaluates policies and holds the `uio2` command.

`rollouts.collect.collect` collects, `rollouts.runner.run_episodes` plays. Names are loaded when asked for:
importing this package loads no simulator, no ray and no torch.
"""

_HOME = {
    "CollectConfig": "rollouts.collect",
    "replay": "rollouts.collect",
    "DatasetWriter": "rollouts.datasets.writer",
    "encode_episode": "rollouts.datasets.encoding",
    "Episode": "rollouts.runner",
    "Work": "rollouts.runner",
    "run_episodes": "rollouts.runner",
    "work_list": "rollouts.runner",
    "Job": "rollouts.workers",
    "MakeEnv": "rollouts.workers",
    "run_job": "rollouts.workers",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module 'rollouts' has no attribute {name!r}")
    from importlib import import_module  # here, for nothing is loaded before `cli` answers Ctrl-C

    return getattr(import_module(_HOME[name]), name)
