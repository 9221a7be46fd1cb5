"""`python -m lerobot_policy_uio2 CHECKPOINT FOLDER`: a checkpoint of ours as a policy folder of LeRobot."""

import argparse
import sys

from lerobot_policy_uio2.modeling_uio2 import UIO2Policy
from lerobot_policy_uio2.processor_uio2 import make_uio2_pre_post_processors
from uio2_agent.errors import UIO2Error


def main() -> int:
    """Write the folder; returns 1 where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m lerobot_policy_uio2", description=__doc__)
    parser.add_argument("checkpoint", help="a packaged name (nano), or a directory of uio2 train")
    parser.add_argument("folder", help="where the policy goes")
    parser.add_argument("--embodiment", help="who acts, where the checkpoint has learned several bodies")
    given = parser.parse_args()
    try:
        policy = UIO2Policy.from_checkpoint(given.checkpoint, given.embodiment, device="cpu")
        policy.save_pretrained(given.folder)
    except UIO2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for pipeline in make_uio2_pre_post_processors(policy.config):
        pipeline.save_pretrained(given.folder)
    print(f"policy   {given.folder}: acts as {policy.config.embodiment}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
