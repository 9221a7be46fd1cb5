"""Where environments and the model meet: prompts, action texts, and things that act.

Importing it is light: every name is loaded on first use, so that `policies.prompts` and
`policies.embodiments` serve training nodes without a simulator.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Embodiment": "embodiments.base",
    "Moment": "moment",
    "OraclePolicy": "oracle",
    "Policy": "base",
    "PromptStyle": "style",
    "RandomPolicy": "random",
    "Step": "base",
    "UnifiedIO2Policy": "unified_io2",
    "load_policy": "loading",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'policies' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
