"""Plays episodes, keeps them as datasets, evaluates policies and holds the `uio2` command.

`rollouts.collect.collect` collects, `rollouts.runner.run_episodes` plays. Names are loaded when asked for:
importing this package loads no simulator, no ray and no torch.
"""

_HOME = {
    "CollectConfig": ".collect",
    "replay": ".collect",
    "DatasetWriter": ".datasets.writer",
    "encode_episode": ".datasets.encoding",
    "Episode": ".runner",
    "Work": ".runner",
    "run_episodes": ".runner",
    "work_list": ".runner",
    "Job": ".workers",
    "MakeEnv": ".workers",
    "run_job": ".workers",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module 'rollouts' has no attribute {name!r}")
    from importlib import import_module  # here, for nothing is loaded before `cli` answers Ctrl-C

    return getattr(import_module(_HOME[name], __name__), name)
