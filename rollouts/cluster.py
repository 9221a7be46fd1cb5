"""Ray as the workers see it: how it is started, what makes actors, and what its errors mean.

Refuses to know which work goes where, and what is done about a worker that is lost.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from rollouts.errors import RolloutError
from rollouts.signals import signals_held
from uio2_agent.errors import UIO2Error

_TRIES = 3
_PACKAGES = Path(__file__).parents[1]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_LOG_TO_STDERR": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^A worker died or was killed",  # long, and told by what becomes of its work
    "RAY_worker_niceness": "0",  # 15 would starve the workers beside any other busy process
}

LOST_WORKER = (
    "RayActorError",  # died or cannot be reached: killed, crashed, its node gone
    "WorkerCrashedError",
    "OutOfMemoryError",  # Ray ended it, because its machine ran short
    "NodeDiedError",
    "ObjectLostError",  # a result that cannot be had any more, for whatever reason
    "PlasmaObjectNotAvailable",
    "TaskCancelledError",
    "RpcError",
    "RaySystemError",  # such as a result that cannot be read
)
"""Errors of Ray, with those derived from them, after which another worker can do the work."""

LOST_CLUSTER = {
    "LocalRayletDiedError": "Ray's process on this machine died",
    "ObjectStoreFullError": "Ray's shared memory is full",
    "OutOfDiskError": "the disk that Ray writes to is full",
    "TaskUnschedulableError": "no machine of the cluster can run a worker",
    "ActorUnschedulableError": "no machine of the cluster can run a worker",
    "RuntimeEnvSetupError": "Ray cannot prepare a worker",
    "AuthenticationError": "the cluster wants another token",
}
"""Errors after which no worker can, and what they say; so is any error of Ray that stands in neither list."""


_left_running = False
"""Whether a block was broken off while a Ray of ours ran: it ends with this process, or before the next."""


def lost_worker() -> tuple[type[Exception], ...]:
    """Return the classes of `LOST_WORKER`."""
    import ray

    return tuple(getattr(ray.exceptions, name) for name in LOST_WORKER)


@contextmanager
def ray_started(processes: int, address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or start one here for that many actors, for as long as the block takes;
    where that is broken off, Ray ends with this process.

    An error of Ray that leaves the block is a RolloutError.
    """
    global _left_running
    os.environ.update({key: os.environ.get(key, value) for key, value in _RAY.items()})
    import ray

    if _left_running:
        ray.shutdown()
        _left_running = False
    started_here = not ray.is_initialized()
    if started_here:
        _start(processes, address)
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        # Ray's end takes seconds, in which a second SIGTERM would end this process before it has saved.
        _left_running, started_here = started_here, False
        raise
    except ray.exceptions.RayTaskError:
        raise  # somebody's error that crossed Ray
    except ray.exceptions.RayError as error:
        raise _lost_cluster(_meaning(error)) from error
    finally:
        if started_here:
            with signals_held():
                ray.shutdown()


def actor_class(kind: type, gpus: float) -> Any:
    """Return what makes actors of a class: on one CPU each, with a share of the GPUs."""
    import ray

    return ray.remote(num_cpus=1, num_gpus=gpus, runtime_env={"env_vars": _ONE_THREAD})(kind)


def enter(folder: str) -> None:
    """Make relative paths mean the driver's folder, where this machine has it."""
    if os.path.isdir(folder):
        os.chdir(folder)


def check_alive(node: str) -> None:
    """Raise RolloutError where the cluster counts this machine's `node` as dead: Ray itself would wait."""
    import ray

    if not any(each["Alive"] and each["NodeID"] == node for each in ray.nodes()):
        raise _lost_cluster(LOST_CLUSTER["LocalRayletDiedError"])


def _start(processes: int, address: str | None) -> None:
    """Start Ray, or join one. A busy machine may be too slow for the patience that Ray has with itself; a
    cluster that does not answer is asked once.
    """
    import ray

    stopped_by = signal.getsignal(signal.SIGTERM)
    local = {} if address else {"num_cpus": processes, "include_dashboard": False}
    for _ in range(1 if address else _TRIES):
        try:
            # Ray puts the driver's folder first on the workers' path; a person's may hold an `envs` too.
            with chdir(_PACKAGES):
                ray.init(address=address or "local", logging_level="ERROR", log_to_driver=False, **local)
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, stopped_by)  # Ray puts a handler of its own, which aborts
            return
        except Exception as error:  # Ray raises plain exceptions here
            reason = str(error).partition("\n")[0]
            ray.shutdown()
    what = f"join the Ray cluster at {address}" if address else f"start Ray for {processes} processes"
    raise UIO2Error(f"cannot {what} ({reason}): try again, or use workers=1 without ray.address")


def _lost_cluster(how: str) -> RolloutError:
    return RolloutError(f"{how}; what was finished is kept, and the same command goes on from there")


def reason(error: Exception) -> str:
    """Return the kind of an error of Ray and its first line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _meaning(error: Exception) -> str:
    known = (LOST_CLUSTER[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in LOST_CLUSTER)
    return f"{next(known, 'Ray failed')} ({reason(error)})"
