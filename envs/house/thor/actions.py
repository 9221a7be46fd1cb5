"""All actions: importing this module fills the registry."""

import envs.house.thor.handling
import envs.house.thor.looking
import envs.house.thor.motion
import envs.house.thor.routes
import envs.house.thor.running
import envs.house.thor.switching
import envs.house.thor.varying  # noqa: F401
