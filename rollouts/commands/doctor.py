"""`uio2 doctor`: what is installed and usable on this machine.

Everything that can crash or hang (graphics drivers above all) is tried in a subprocess with a time limit, by
doing the thing itself: a frame is rendered, a package imported. A file's presence proves nothing.
"""

import importlib.util
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

GL_LINE = "apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri"
TIME_LIMIT_S = 120

_RENDER = """
import mujoco
scene = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='1' rgba='1 0 0 1'/>"
    "<camera name='c' pos='0 0 3'/></worldbody></mujoco>")
state = mujoco.MjData(scene)
mujoco.mj_forward(scene, state)
renderer = mujoco.Renderer(scene, 64, 64)
renderer.update_scene(state, camera="c")
red, green, blue = renderer.render()[32, 32]
from OpenGL import GL
print((GL.glGetString(GL.GL_RENDERER) or b"unknown device").decode())
renderer.close()
assert red > 2 * max(green, blue), "the frame is not what was drawn"
"""


@dataclass(frozen=True)
class Finding:
    """One line of the report. `needed`: without it the main commands do not work."""

    subject: str
    usable: bool
    detail: str
    needed: bool = False


def main(config: dict[str, Any]) -> int:
    """Print the table; 1 if something the main commands need is not usable."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rollouts.output import claim, write_json

    output = claim(config["output"]) if config["output"] else None
    findings = examine()
    table = Table("", "usable", "detail", title="uio2 doctor", title_justify="left")
    for finding in findings:
        mark = "[green]yes[/]" if finding.usable else "[red]no[/]" if finding.needed else "[yellow]no[/]"
        table.add_row(finding.subject, mark, escape(finding.detail))
    Console().print(table)
    if output:
        write_json(output / "doctor.json", [asdict(finding) for finding in findings])
    return 1 if any(finding.needed and not finding.usable for finding in findings) else 0


def examine() -> list[Finding]:
    """All findings, the needed ones first."""
    return [
        Finding(
            "python", sys.version_info >= (3, 11), f"{platform.python_version()}, {platform.platform()}", True
        ),
        _torch(),
        gl_backend(),
        _package("mujoco", "the simulator", needed=True),
        _package("ray", "needed for workers > 1", needed=True),
        _package(
            "habitat_sim", "optional: habitat environments with the real simulator; conda packages only"
        ),
        *(_package(name, f"optional: {purpose}") for name, purpose in _suite_packages().items()),
    ]


def gl_backend() -> Finding:
    """The first of EGL and OSMesa that renders a frame, tried in that order (MUJOCO_GL, if set, alone)."""
    chosen = os.environ.get("MUJOCO_GL")
    failures = []
    for backend in [chosen] if chosen else ["egl", "osmesa"]:
        done, said = _try(_RENDER, MUJOCO_GL=backend, PYOPENGL_PLATFORM=backend)
        if done:
            return Finding("GL backend", True, f"{backend}: {said}", True)
        failures.append(f"{backend}: {said}")
    return Finding("GL backend", False, f"{GL_LINE}   ({'; '.join(failures)})", True)


def _suite_packages() -> dict[str, str]:
    """What the known suites can use beside what is required."""
    import envs

    return {name: purpose for s in envs.suite_names() for name, purpose in envs.suite(s).packages.items()}


def _torch() -> Finding:
    code = (
        "import torch; c = torch.cuda.is_available(); "
        "print(torch.__version__, '·', torch.cuda.get_device_name() if c else 'CPU,', "
        "'' if c else f'{torch.get_num_threads()} threads')"
    )
    return Finding("torch", *_try(code), needed=True)


def _package(name: str, purpose: str, needed: bool = False) -> Finding:
    if importlib.util.find_spec(name) is None:
        return Finding(name, False, f"not installed ({purpose})", needed)
    imports, said = _try(f"import {name}", MUJOCO_GL="disable")  # rendering has a line of its own
    try:
        said = version(name) if imports else said
    except PackageNotFoundError:
        said = "installed"
    return Finding(name, imports, said, needed)


def _try(code: str, **environment: str) -> tuple[bool, str]:
    """Run Python code apart; whether it succeeded, and the last line it wrote or died of."""
    try:
        run = subprocess.run(
            [sys.executable, "-P", "-c", code],  # -P: the person's folder may hold modules of the same names
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {TIME_LIMIT_S} s"
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    if run.returncode < 0:
        return False, f"died of signal {-run.returncode}"
    said = lines[-1] if lines else ("" if run.returncode == 0 else f"exit status {run.returncode}")
    return run.returncode == 0, said
