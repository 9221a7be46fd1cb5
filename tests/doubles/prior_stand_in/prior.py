"""A stand-in of the package `prior`: what its README documents, and where it keeps what it fetched.

It is not prior. `load_dataset` "clones" from the folder PRIOR_STAND_IN_REMOTE instead of GitHub, and behaves
as users report: it prints, changes the working directory and leaves it changed where it fails.
"""

import os
import shutil
from pathlib import Path

calls = []


def load_dataset(dataset, revision=None, entity="allenai"):
    """Put the files below ~/.prior/datasets/ENTITY/DATASET/REVISION and return nothing of use."""
    calls.append((dataset, revision, entity))
    print(f"Downloading dataset {dataset}")
    clone = Path(os.environ["HOME"], ".prior", "datasets", entity, dataset, revision or "0123abcd")
    clone.mkdir(parents=True)
    os.chdir(clone)
    remote = os.environ.get("PRIOR_STAND_IN_REMOTE")
    if remote is None:
        raise Exception("Unknown GitHub API status code: 429")
    for file in Path(remote).iterdir():
        shutil.copy(file, clone)
    return {}
