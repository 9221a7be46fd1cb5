"""How fast a policy server is, by number of clients: `python -m benchmarks.serving [policy]`.

Starts `uio2 serve`, and asks from threads of this process, each with a connection of its own, the requests of
VIMA episodes: milliseconds from a request to its reply (half of them take less, one in twenty more), and
decisions a second of all together. Packing the request counts. On a shared machine, measure again.
"""

import sys
import threading
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from policies.loading import load_policy
from policies.wire import packed, unpacked
from tests.proof.serving import requests, served

CLIENTS = (1, 2, 4, 8, 16, 32)
DECISIONS = 96
"""Of all clients together, beside those that warm up."""


def main(policy: str = "nano") -> None:
    from websockets.sync.client import connect

    player = load_policy(policy)
    asked = [each["request"] for seed in range(4) for each in requests(player, "rotate", 4_600_000 + seed)]
    table = Table(
        "clients", "p50 ms", "p95 ms", "decisions/s", "decisions a batch", title=f"serving {policy}"
    )

    def ask(address: str, count: int, start: threading.Barrier, spent: list, batches: list) -> None:
        with connect(address, compression=None, max_size=None) as socket:
            socket.recv()
            for number in range(count + 2):
                if number == 2:
                    start.wait()
                began = time.perf_counter()
                socket.send(packed({**asked[number % len(asked)], "reset": True}))
                reply = unpacked(socket.recv())
                if number >= 2:
                    spent.append(1000 * (time.perf_counter() - began))
                    batches.append(1 / reply["server_timing"]["batch"])

    with served(policy) as address:
        for clients in CLIENTS:
            spent: list[float] = []
            batches: list[float] = []
            start = threading.Barrier(clients + 1)
            words = (address, max(DECISIONS // clients, 3), start, spent, batches)
            threads = [threading.Thread(target=ask, args=words) for _ in range(clients)]
            for thread in threads:
                thread.start()
            start.wait()
            began = time.perf_counter()
            for thread in threads:
                thread.join()
            rate = len(spent) / (time.perf_counter() - began)
            p50, p95 = np.percentile(spent, (50, 95))
            size = len(batches) / sum(batches)
            table.add_row(str(clients), f"{p50:.0f}", f"{p95:.0f}", f"{rate:.1f}", f"{size:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
