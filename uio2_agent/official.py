"""The official UIO-2 format: nested configuration and weight names, translated both ways.

Facts: spec sections 2.5 and 14. Weights of parts that this package does not build yet (the target tokenizers and the
tables of image and audio codes) are recognised by name and left alone, so that "unknown" always means a mistake.
"""

import math
import re
from typing import Any

from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.errors import CheckpointError, UIO2Error

NOT_BUILT = re.compile(r"(image|audio)_token_embedder\.|target_embedders\.(image|audio)\.")
"""Official weights of parts that come later."""

_ATTENTION = [
    ("attention.query.", "attention.query."),
    ("attention.key.", "attention.key."),
]

_TOWER = "input_embedders.{0}.image_encoder.vision_transformer."
# (ours, official) name pieces, tried in order; each is used once in each direction.
_PREFIXES = [
    ("text_table.", "text_token_embedder."),
    ("image_encoder.", "input_embedders.image.image_encoder.vision_transformer."),
    ("audio_encoder.", "input_embedders.audio.image_encoder.vision_transformer."),
    ("inputs.", "input_embedders."),
    ("targets.", "target_embedders."),
    ("encoder.", "encoder."),
    ("decoder.", "decoder."),
]
