"""Plans of the tabletop: text to steps to actions of the environment.

Unusual: the recorded quaternions carry the released slip of degrees for radians and are not compared; yaws
are, with the degrees that the text says.
"""

import numpy as np

from policies import embodiments
from policies.embodiments.tabletop_places import yaw_of
from tests.training_parity.compare import Check, Errors, Values, different, distance


def check_vima_actions(case: Values) -> Errors:
    """Compare steps and actions, bins read as the released parser does, one of 1000."""
    steps = embodiments.get("vima").parse(case["text"], released=True)
    expected = np.reshape(case["actions"] or [], (-1, 7))
    found = [[*np.array(step.bins) / 1000 * [1, 1, 360, 1, 1, 360], step.kind] for step in steps]
    errors = {
        "steps": different(case["steps"] or [], [str(step.number) for step in steps]),
        "actions": distance(expected, np.reshape(found, (-1, 7))),
    }
    for pose in (0, 1) if steps and len(steps) == len(expected) else ():
        positions = [step.action[f"pose{pose}_position"] for step in steps]
        errors[f"pose{pose}_position"] = distance(case["reconstructed"][f"pose{pose}_position"], positions)
        yaws = np.degrees([yaw_of(step.action[f"pose{pose}_rotation"]) for step in steps])
        turned = (yaws - expected[:, 2 + 3 * pose] + 180) % 360 - 180
        errors[f"yaw {pose}, turns"] = distance(np.zeros(len(steps)), turned / 360)
    return errors


CHECKS = {"vima_actions": Check(check_vima_actions, 1e-6)}
