"""Where a run starts from: a fresh preset, the weights of a checkpoint, or these under adapters.

Unusual: a fresh model's location rows are not independent noise but sines and cosines of the bin, so that
neighbouring bins look alike from the first step (a location is a number).
"""

import math

import torch

from policies import embodiments
from policies.style import PromptStyle, load_styles
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.formats.packaged import checkpoint_directory
from uio2_agent.inputs.processor import Processor
from uio2_agent.presets import PRESETS
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.text.vocabulary import LOCATIONS
from uio2_agent.unified_io2 import UnifiedIO2


def start_model(
    name: str, trained: bool = False, dtype: torch.dtype = torch.float32
) -> tuple[UnifiedIO2, dict[str, PromptStyle]]:
    """Return a model with its processor, and the styles of its requests by embodiment, where it has learned
    any.

    `name`: "nano" and the other presets are fresh models with the packaged small tokenizer; anything else is
    loaded. A checkpoint directory of the same name as a preset must be given as a path (`./nano`). With
    `trained` nothing is fresh: "nano" is the packaged model then. `dtype` is that of a loaded transformer.
    """
    if name in PRESETS and not trained:
        config = UnifiedIO2Config.preset(name)
        model = UnifiedIO2(config)
        model.processor = Processor(config, TextTokenizer.packaged())
        smooth_locations(model)
        return model, {}
    model = UnifiedIO2.from_pretrained(name, dtype=dtype)
    return model, load_styles(checkpoint_directory(name), unnamed=embodiments.DEFAULT)


def smooth_locations(model: UnifiedIO2) -> None:
    """Set the location rows of the text table to unit-variance waves of the bin, 0.3 to 16 periods over the
    range.

    Faster waves would be noise to a model that cannot yet tell bins apart that closely.
    """
    vocabulary = model.processor.tokenizer.vocabulary
    width = model.config.width
    bins = torch.arange(LOCATIONS, dtype=torch.float32)[:, None] / LOCATIONS
    waves = torch.logspace(math.log10(0.3), math.log10(16), width // 2) * 2 * math.pi
    rows = torch.cat([(bins * waves).sin(), (bins * waves).cos()], -1) * math.sqrt(2)  # [1000, D]
    with torch.no_grad():
        model.text_table.weight[torch.from_numpy(vocabulary.location_ids.copy())] = rows
