"""What stands in houses: types with sizes and properties, asset names, and how each type looks."""

from envs.house.objects.types import ObjectType as ObjectType
from envs.house.objects.types import object_types as object_types
from envs.house.objects.types import type_of as type_of
