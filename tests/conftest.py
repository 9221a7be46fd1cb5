"""Fixtures every test may use. One thread for numpy and torch, so that parallel tests do not fight."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).parents[1] / ".." / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded reference data that lies beside the checkout; the test is skipped where it is
    absent.
    """
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared' beside the checkout: the recorded reference data is absent")
    return SHARED.resolve()


@pytest.fixture(scope="session")
def rendering() -> None:
    """For tests that draw the tabletop: skipped where no GL library works."""
    from rollouts.commands.doctor import gl_backend

    finding = gl_backend()
    if not finding.usable:
        pytest.skip(f"nothing renders here: {finding.detail}")
