"""`uio2 serve POLICY`: a policy for whoever speaks openpi's websocket protocol."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from policies.loading import load_policy, policy_identity
from policies.wire import msgpack
from rollouts.inference.batches import Batches
from rollouts.inference.messages import Batching
from rollouts.inference.server import PolicyServer, columns, only_body
from rollouts.limits import unwatched

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(keys: Mapping[str, Any]) -> int:
    """Serve until Ctrl-C, then say how many requests were answered."""
    msgpack()
    served = _Served()
    with suppress(KeyboardInterrupt):
        asyncio.run(served.run(keys))
    if served.server is not None:
        print(f"\nanswered {served.server.served} requests, refused {served.server.refused}")
    return 0


class _Served:
    server: PolicyServer | None = None

    async def run(self, keys: Mapping[str, Any]) -> None:
        batches = Batches(Batching(1, keys["batch"], keys["wait"]), unwatched)
        policy = await batches.load(lambda: load_policy(keys["policy"], **keys["policy_args"]))
        about = {
            "policy": policy.name,
            "identity": policy_identity(keys["policy"], keys["policy_args"]),
            "vocabulary_hash": getattr(policy, "vocabulary_hash", ""),
            "embodiments": columns(),
        }
        server = PolicyServer(batches, about, only_body(policy))
        async with await server.listen(keys["host"], keys["port"]) as listening:
            self.server = server
            port = listening.sockets[0].getsockname()[1]
            if keys["host"] not in LOOPBACK:
                print(f"note: whoever reaches port {port} of this machine can ask", file=sys.stderr)
            host = f"[{keys['host']}]" if ":" in keys["host"] else keys["host"]
            print(f"serving  {policy.name} at ws://{host}:{port}   (Ctrl-C ends)", flush=True)
            await listening.serve_forever()
