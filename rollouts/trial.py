"""Tries one environment before anything is played, so that a machine that cannot render says so once.

It refuses to know where the work comes from.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from envs.errors import EnvError
from rollouts.errors import RolloutError
from rollouts.runner import Work
from uio2_agent.errors import described

# The path first: what is loaded after it may lie there.
_CHILD = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "import rollouts.trial; rollouts.trial._answer()"
)


def check_environment(make_env: Callable[[Work], Any], item: Work) -> None:
    """Make and reset one environment here.

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
    asked = pickle.dumps(sys.path) + pickle.dumps((make_env, item))
    command = [sys.executable, "-c", _CHILD]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(
            command,
            input=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=patience,
            check=False,
        )
        if done.returncode == 0 and (refusal := pickle.loads(done.stdout)) is not None:
            raise refusal


def _answer() -> None:
    """Read what is to be made from the standard input, and write what came of it to the standard output."""
    make_env, item = pickle.load(sys.stdin.buffer)
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever simulators print
    refusal = None
    try:
        check_environment(make_env, item)
    except (EnvError, RolloutError) as error:
        refusal = error
    with answer:
        answer.write(pickle.dumps(refusal))
    os._exit(0)
