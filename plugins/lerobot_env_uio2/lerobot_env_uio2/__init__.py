"""The simulators of uio2-agent as environments of LeRobot, which imports this package because of its name.

Importing it registers `vima`, `procthor` and `habitat` for `--env.type`. Unusual: without LeRobot it
registers nothing, so that the environments can be made and tested alone.
"""

from importlib.util import find_spec

from lerobot_env_uio2.environment import LeRobotEnv as LeRobotEnv
from lerobot_env_uio2.vector import make_vectors as make_vectors

if find_spec("lerobot") is not None:
    from lerobot_env_uio2 import configuration as configuration
