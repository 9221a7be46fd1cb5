"""Stand-in for PyBullet, see README.md: clients that hold bodies, and arithmetic of poses (xyzw)."""

import os

import numpy as np

CLIENTS = {}


def connect():
    client = next(number for number in range(100) if number not in CLIENTS)
    CLIENTS[client] = {}
    return client


def disconnect(client):
    del CLIENTS[client]


def add_body(position, orientation, inertial, *, physicsClientId, first=0):
    """Not PyBullet's: put a body at a pose of its origin; returns its id."""
    bodies = CLIENTS[physicsClientId]
    body = max([first - 1, *bodies]) + 1
    bodies[body] = [*multiplyTransforms(position, orientation, inertial, (0, 0, 0, 1)), inertial]
    os.write(1, b"text argument: printed by C\n")
    return body


def getBasePositionAndOrientation(body, physicsClientId=0):
    position, orientation, _ = CLIENTS[physicsClientId][body]
    return position, orientation


def resetBasePositionAndOrientation(body, position, orientation, physicsClientId=0):
    CLIENTS[physicsClientId][body][:2] = [tuple(position), tuple(orientation)]


def getDynamicsInfo(body, link, physicsClientId=0):
    return (0.1, 1.0, (0.0, 0.0, 0.0), CLIENTS[physicsClientId][body][2], (0.0, 0.0, 0.0, 1.0))


def invertTransform(position, orientation):
    x, y, z, w = orientation
    inverse = (-x, -y, -z, w)
    return tuple(-np.array(_turned(position, inverse))), inverse


def multiplyTransforms(position0, orientation0, position1, orientation1):
    x0, y0, z0, w0 = orientation0
    x1, y1, z1, w1 = orientation1
    orientation = (
        w0 * x1 + x0 * w1 + y0 * z1 - z0 * y1,
        w0 * y1 - x0 * z1 + y0 * w1 + z0 * x1,
        w0 * z1 + x0 * y1 - y0 * x1 + z0 * w1,
        w0 * w1 - x0 * x1 - y0 * y1 - z0 * z1,
    )
    return tuple(np.add(position0, _turned(position1, orientation0))), orientation


def _turned(vector, orientation):
    axis, w = np.array(orientation[:3]), orientation[3]
    across = 2 * np.cross(axis, vector)
    return tuple(np.array(vector) + w * across + np.cross(axis, across))
