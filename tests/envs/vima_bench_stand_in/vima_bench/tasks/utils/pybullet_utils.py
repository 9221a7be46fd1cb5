"""Stand-in, see README.md: the one function through which objects are added."""

import tempfile

import pybullet


def add_any_object(
    env, obj_entry, pose, size, replace=None, retain_temp=False, category="rigid", scaling=1.0
):
    path = tempfile.mkstemp(suffix=".urdf")[1]  # upstream leaves a file for every object
    inertial = (-0.01, 0.0, 0.02) if obj_entry.name == "bowl" else (0.0, 0.0, 0.0)
    first = 4 if env.task.spatula else 5
    body = pybullet.add_body(*pose, inertial, physicsClientId=env.client_id, first=first)
    env.obj_ids[category].append(body)
    return body, path
