"""Tries one environment before anything is played, so that a machine that cannot render says so once.

It refuses to know where the work comes from.
"""

from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from envs.errors import EnvError
from rollouts.errors import RolloutError
from rollouts.runner import Work, described


def check_environment(make_env: Callable[[Work], Any], item: Work) -> None:
    """Make and reset one environment here, so that a missing GL library is one error.

    EnvError for what the environment refuses, RolloutError where it cannot be made for another reason; of
    what else is wrong with this episode, the episode will tell.
    """
    try:
        env = make_env(item)
    except (EnvError, RolloutError):
        raise
    except (Exception, SystemExit) as error:
        raise RolloutError(f"cannot make an environment of task={item.task}: {described(error)}") from error
    try:
        env.reset(seed=item.seed)
    except EnvError:
        raise
    except (Exception, SystemExit):
        pass
    finally:
        with suppress(Exception, SystemExit):
            env.close()


def check_apart(make_env: Callable[[Work], Any], item: Work, patience: float) -> None:
    """Do the same in a process of its own, of which nothing is heard if it dies or takes longer than
    `patience` seconds.
    """
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(there, make_env, item))
    process.start()
    there.close()
    try:
        refusal = here.recv() if here.poll(patience) else None
    except EOFError:
        refusal = None
    finally:
        process.kill()
        process.join()
    if refusal is not None:
        raise refusal


def _tell(there: Connection, make_env: Callable[[Work], Any], item: Work) -> None:
    try:
        check_environment(make_env, item)
    except (EnvError, RolloutError) as refusal:
        there.send(refusal)
    else:
        there.send(None)
