"""Models of uio2-agent as policies of LeRobot, which imports this package because of its name.

Importing it registers the policy type `uio2`. Unusual: without LeRobot it registers nothing, so that the part
which knows no LeRobot can be tested alone.
"""

from importlib.util import find_spec

from lerobot_policy_uio2.acting import Rows as Rows

if find_spec("lerobot") is not None:
    from lerobot_policy_uio2.configuration_uio2 import UIO2Config as UIO2Config
