"""What made a result: this checkout's commit, and the versions of the packages that decide numbers."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("uio2-agent", "torch", "numpy", "mujoco", "gymnasium", "ray")


def versions() -> dict[str, str]:
    """Return versions by package, python's among them."""
    return {"python": platform.python_version(), **{package: installed(package) for package in PACKAGES}}


def installed(package: str) -> str:
    """Return the version of a distribution, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@cache
def git_sha() -> str:
    """Return the commit of this checkout, "" outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
