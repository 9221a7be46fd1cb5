"""How objects look: a builder per kind makes parts that fill a box, recognisable at a glance."""

from envs.house.objects.looks.registry import look_of as look_of
from envs.house.objects.looks.registry import pieces_of as pieces_of
