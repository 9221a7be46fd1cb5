"""Unified-IO 2 in PyTorch: one encoder-decoder for text, images, image history and audio.

The package knows nothing about simulators, tasks or training loops. Importing it is light: every public
name is loaded on first use. Letters used in shape comments throughout: B batch, L text length, S source
(encoder) length, T target length, N patches of an image, F history frames, K latents of a frame, H heads, D
model width, V vocabulary.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Answer": "request",
    "Batch": "inputs.batch",
    "Processor": "inputs.processor",
    "Request": "request",
    "Target": "request",
    "TextTokenizer": "text.tokenizer",
    "UIO2Error": "errors",
    "UnifiedIO2": "unified_io2",
    "UnifiedIO2Config": "config",
    "Vocabulary": "text.vocabulary",
    "load_request": "media.loading",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'uio2_agent' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"uio2_agent.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
