"""Steps of many who ask, decided a batch at a time by one policy in a thread of its own.

A batch begins when enough steps wait, when nobody else can ask, or after a short wait; what comes meanwhile
waits for the next. Who asks waits for the reply, so each has its slots outstanding at most.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from policies.base import Policy
from rollouts.inference.desk import Desk
from rollouts.inference.messages import Asked, Batching, Failure, Reply
from rollouts.limits import Watch
from uio2_agent.errors import described


class Batches:
    """The queue before a desk, for one event loop. `watch` stands around each call of the policy."""

    def __init__(self, batching: Batching, watch: Watch):
        self._batching, self._watch = batching, watch
        self._thread = ThreadPoolExecutor(1)
        self._desk: Any = None
        self._waiting: list[tuple[int, Sequence[Asked], asyncio.Future]] = []
        self._slots: dict[int, int] = {}
        """Steps that each worker asked for last: as many as it will ask for again."""
        self._came = asyncio.Event()
        self._serving: asyncio.Task | None = None

    async def load(self, make: Callable[[], Policy]) -> Policy:
        """Make the policy in its thread, and return it."""
        policy = await self._apart(make)
        self._desk = Desk(policy, self._watch)
        return policy

    async def act(self, worker: int, asked: Sequence[Asked]) -> Reply:
        """Return the decisions for steps of a worker."""
        reply = asyncio.get_running_loop().create_future()
        self._waiting.append((worker, asked, reply))
        self._slots[worker] = len(asked)
        self._came.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return await reply

    async def leave(self, worker: int) -> None:
        """Wait for a worker no more; it may come again."""
        self._slots.pop(worker, None)
        self._came.set()
        await self._apart(self._desk.leave, worker)

    async def _serve(self) -> None:
        while self._waiting:
            await self._gather()
            batch = self._taken()
            calls = [(worker, asked) for worker, asked, _ in batch]
            try:
                replies = await self._apart(self._desk.decide, calls)
            except BaseException as error:
                replies = [Reply(Failure(described(error)))] * len(batch)
            for (_, _, reply), found in zip(batch, replies, strict=True):
                if not reply.done():  # else whoever asked is gone
                    reply.set_result(found)

    async def _gather(self) -> None:
        """Wait until the batch is full, nobody is left to ask, or it was long enough."""
        try:
            async with asyncio.timeout(self._batching.wait):
                while self._steps() < min(self._batching.batch, sum(self._slots.values())):
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            pass

    def _steps(self) -> int:
        return sum(len(asked) for _, asked, _ in self._waiting)

    def _taken(self) -> list[tuple[int, Sequence[Asked], asyncio.Future]]:
        """Take the calls of a batch, first come, first served; one at least."""
        taken = [self._waiting.pop(0)]
        room = self._batching.batch - len(taken[0][1])
        while self._waiting and len(self._waiting[0][1]) <= room:
            taken.append(self._waiting.pop(0))
            room -= len(taken[-1][1])
        return taken

    def _apart(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Future:
        return asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)
