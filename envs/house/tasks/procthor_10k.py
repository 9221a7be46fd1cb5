"""Where the houses of ProcTHOR-10K lie on this machine: 10,000 for training, 1,000 each for val and test.

The package `prior` fetches them once, as a clone of their repository; from then on its files are read here,
one house at a time. Source: allenai/procthor-10k, allenai/prior.
"""

import contextlib
import os
import sys
from pathlib import Path

from envs.errors import EnvError

NAME = "procthor-10k"
_CLONES = Path(".prior", "datasets", "allenai", NAME)
"""Where prior clones to, in a person's home; a folder a revision."""
_ELSE = (
    "Or give a folder that holds train.jsonl.gz, val.jsonl.gz and test.jsonl.gz (or .jsonl), from wherever "
    "they can be had: houses=FOLDER"
)


def folder() -> Path:
    """Return the folder with the files of the three splits, fetched through prior where they are not there.

    Raises EnvError that says what is missing.
    """
    if (found := _newest()) is not None:
        return found
    try:
        import prior
    except ImportError:
        raise EnvError(
            f"houses={NAME} is fetched by the package prior: pip install prior. It needs git, git-lfs and "
            f"the network once. {_ELSE}"
        ) from None
    here = Path.cwd()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            prior.load_dataset(NAME)
    except (Exception, SystemExit) as error:
        raise EnvError(
            f"houses={NAME}: prior could not fetch it ({type(error).__name__}: {error}). It needs git, "
            f"git-lfs and the network; GitHub refuses who asks too often, for an hour. {_ELSE}"
        ) from error
    finally:
        os.chdir(here)  # where it fails, prior leaves another directory
    if (found := _newest()) is None:
        raise EnvError(
            f"houses={NAME}: prior has loaded it, but ~/{_CLONES} holds no train.jsonl.gz. {_ELSE}"
        )
    return found


def _newest() -> Path | None:
    """The clone that was made last, if there is any."""
    clones = (Path.home() / _CLONES).glob("*/train.jsonl.gz")
    return max((file.parent for file in clones), key=lambda clone: clone.stat().st_mtime, default=None)
