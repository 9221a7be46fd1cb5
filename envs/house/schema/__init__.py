"""ProcTHOR's house files, schema 1.0.0: records, reading and writing, and the upgrade from 0.0.1."""

from envs.house.schema.reading import parse_house as parse_house
from envs.house.schema.reading import read_house as read_house
from envs.house.schema.reading import read_houses as read_houses
from envs.house.schema.reading import read_json as read_json
from envs.house.schema.records import AgentPose as AgentPose
from envs.house.schema.records import Door as Door
from envs.house.schema.records import House as House
from envs.house.schema.records import HouseObject as HouseObject
from envs.house.schema.records import Light as Light
from envs.house.schema.records import Material as Material
from envs.house.schema.records import Room as Room
from envs.house.schema.records import Wall as Wall
from envs.house.schema.records import Window as Window
