"""A dataset onto the Hugging Face hub, through its own client.

The client knows where to (`HF_ENDPOINT`) and who (its login); a retry sends only what is not there yet. It
refuses sets that are not whole, and it never reads credentials.
"""

from collections.abc import Callable
from pathlib import Path

from pretrain.sources.schema import DatasetError
from rollouts.datasets.card import write_card
from rollouts.datasets.extra import extra
from rollouts.datasets.stored import StoredSet
from rollouts.datasets.verify import verify
from uio2_agent.errors import described

NOT_SENT = ["*.part", "meta/.lock", "page/*", "meta/uio2_ranges.json"]


def push(
    root: str | Path, repo: str, private: bool, licence: str | None, advance: Callable[[str], object] = str
) -> str:
    """Send a set to the dataset repository `owner/name`, made where it is missing, and tag it with its
    format's version, which LeRobot asks for; returns where it is.

    Raises DatasetError for a set that is not whole, and for what the hub answers.
    """
    hub = extra("huggingface_hub", "hub", "push")
    if problems := verify(root, advance):
        raise DatasetError(f"{problems[0]} (uio2 dataset verify {root} names {len(problems)} faults)")
    stored = StoredSet(root)
    if not (stored.root / "README.md").exists():
        write_card(root, licence)
    api = hub.HfApi()
    try:
        made = api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=stored.root,
            ignore_patterns=NOT_SENT,
            commit_message=f"{len(stored.episodes)} episodes",
        )
        api.create_tag(repo, tag=stored.meta.version, repo_type="dataset", exist_ok=True)
    except Exception as error:  # of the client's network layer, of which there are several
        raise DatasetError(
            f"{repo} could not be sent ({described(error)}): hf auth login, then push again"
        ) from error
    return str(made)
