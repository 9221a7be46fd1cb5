"""Clients of openpi-client itself, run by tests.proof.serving in the environment that has it: not ours.

Usage: python openpi_driver.py ADDRESS FOLDER; prints JSON of what each client found.
"""

import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
from openpi_client import msgpack_numpy
from openpi_client.websocket_client_policy import WebsocketClientPolicy

FOUND: dict = {"equal": 0, "different": 0, "failed": [], "refused": 0, "taken": 0, "metadata": None}
LOCK = threading.Lock()


def replay(address: str, path: Path) -> None:
    """Ask what was asked of the policy in-process, and compare."""
    client = WebsocketClientPolicy(address)
    FOUND["metadata"] = sorted(map(str, client.get_server_metadata()))
    for asked in msgpack_numpy.unpackb(path.read_bytes()):
        try:
            actions = client.infer(asked["request"])["actions"]
            same = bool(np.array_equal(actions, asked["actions"]))
        except Exception as error:
            with LOCK:
                FOUND["failed"].append(repr(error)[-300:])
            return
        with LOCK:
            FOUND["equal" if same else "different"] += 1


def rubbish(address: str) -> None:
    """Send what is no request; every reply must be an error, and the connection go on."""
    client = WebsocketClientPolicy(address)
    generator = np.random.default_rng(0)
    for _ in range(200):
        client._ws.send(generator.integers(0, 256, 300).astype(np.uint8).tobytes())
        with LOCK:
            FOUND["refused" if isinstance(client._ws.recv(), str) else "taken"] += 1
    for request in ({}, {"observation": {}}, {"prompt": "Go.", "observation": {"rgb": np.zeros(3)}}):
        try:
            client.infer(request)
            with LOCK:
                FOUND["taken"] += 1
        except RuntimeError:
            with LOCK:
                FOUND["refused"] += 1


def vanish(address: str, path: Path) -> None:
    """Ask, and be gone before the reply."""
    client = WebsocketClientPolicy(address)
    client._ws.send(msgpack_numpy.packb(msgpack_numpy.unpackb(path.read_bytes())[0]["request"]))
    client._ws.socket.close()


if __name__ == "__main__":
    place, paths = sys.argv[1], sorted(Path(sys.argv[2]).glob("*.msgpack"))
    threads = [threading.Thread(target=replay, args=(place, path)) for path in paths]
    threads.append(threading.Thread(target=rubbish, args=(place,)))
    threads.append(threading.Thread(target=vanish, args=(place, paths[0])))
    for thread in threads:
        thread.start()
    for thread in threads[:-1]:
        thread.join(600)
    print(json.dumps(FOUND), flush=True)
    os._exit(0)  # the vanished client's threads wait for its socket
