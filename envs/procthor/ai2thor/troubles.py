"""What goes wrong with AI2-THOR on people's machines, and what to do about it, in one text each.

Sources: the messages of ai2thor 5.0, and the threads in which its users ask what they mean.
"""

import re
from collections.abc import Iterable

from envs.errors import EnvError

INSTEAD = "backend='house' plays the same episodes with nothing to install"
INSTALL = f"backend='ai2thor' drives the package ai2thor: pip install 'uio2-agent[ai2thor]'; {INSTEAD}"

_KNOWN = (
    (
        r"no build exists|No build exists",
        "there is no Unity player for it here: it is downloaded at first use (about 500 MB), which needs the "
        "network, and there is none for Windows. Connect once, or give executable='uio2 thor-player', which "
        "is ours",
    ),
    (
        r"had missing dependencies|X server|Xlib|DISPLAY|display",
        "its Unity player for Linux draws on an X server: give x_display=':0', or start one "
        "(Xvfb :99 -screen 0 1024x768x24) and give that; without one, platform='CloudRendering' draws "
        "through Vulkan",
    ),
    (
        r"vulkaninfo failed",
        "gpu_device= needs the command vulkaninfo: apt-get install vulkan-tools",
    ),
    (
        r"nvidia-smi",
        "gpu_device= chooses among NVIDIA GPUs by nvidia-smi, which failed: leave it out",
    ),
    (
        r"Vulkan|returncode=-11|returncode=-6",
        "platform='CloudRendering' needs a Vulkan driver that works (in a container: NVIDIA's with graphics "
        "capability, and apt-get install libvulkan1); vulkaninfo must list a device",
    ),
    (r"Invalid gpu_device", "gpu_device= is a number of those in CUDA_VISIBLE_DEVICES, from 0"),
    (r"Invalid commit|Invalid branch", "leave commit_id= and branch= to ai2thor"),
    (
        r"Permission denied|Read-only file system",
        "ai2thor keeps its player and its log in ~/.ai2thor: set HOME to a folder that can be written",
    ),
    (
        r"No such file or directory|Exec format error",
        "executable= is the command line of a player: is its first word a program that can be run?",
    ),
)


class PlayerError(EnvError):
    """AI2-THOR's player cannot be started, has died, or does not answer; the text says what to do."""


def explained(what: str, error: BaseException | str, log: str = "") -> PlayerError:
    """Build the error for something that went wrong.

    Arguments:
        what: what was tried.
        error: what was raised, causes included.
        log: what the player wrote last.
    """
    said = error if isinstance(error, str) else "; ".join(_texts(error))
    known = next((advice for pattern, advice in _KNOWN if re.search(pattern, said + log)), None)
    parts = [f"AI2-THOR: {what}: {_short(said)}"]
    if log:
        parts.append(f"its log ends: {_short(log)}")
    return PlayerError("; ".join([*parts, *([known] if known else []), INSTEAD]))


def _texts(error: BaseException) -> Iterable[str]:
    """The texts of an error and of what it came from, the first cause last."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and not isinstance(following, PlayerError):
        seen.add(id(following))
        yield f"{type(following).__name__}: {following}"
        following = following.__cause__ or following.__context__


def _short(text: str, most: int = 400) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
