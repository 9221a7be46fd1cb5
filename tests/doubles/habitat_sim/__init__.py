"""A strict stand-in for habitat-sim's Python surface: the names an adapter touches, and no others.

Sources: the interface of habitat-sim 0.2.2 to 0.3.4, and its recorded answers in the fixtures. Pictures and
paths come from our own simulator. Where the real one ends the process, this one raises SystemExit.
"""

from . import agent as agent
from .agent import AgentState as AgentState
from .configuration import CameraSensorSpec as CameraSensorSpec
from .configuration import Configuration as Configuration
from .configuration import NavMeshSettings as NavMeshSettings
from .configuration import SensorSubType as SensorSubType
from .configuration import SensorType as SensorType
from .configuration import SimulatorConfiguration as SimulatorConfiguration
from .nav import MultiGoalShortestPath as MultiGoalShortestPath
from .nav import PathFinder as PathFinder
from .nav import ShortestPath as ShortestPath
from .simulator import Simulator as Simulator

__version__ = "0.3.3"
