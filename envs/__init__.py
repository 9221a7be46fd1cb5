"""The simulators, as gymnasium environments; importing this package registers their ids and loads none of
them.

`envs.suite("vima")` is the function of envs.suites: what a family of environments offers.
"""

from envs.base import FIRST_HELD_OUT_SEED as FIRST_HELD_OUT_SEED
from envs.base import SimulatorEnv as SimulatorEnv
from envs.errors import EnvError as EnvError
from envs.suites import Benchmark as Benchmark
from envs.suites import Suite as Suite
from envs.suites import register_built_in
from envs.suites import suite as suite
from envs.suites import suite_names as suite_names

register_built_in()
