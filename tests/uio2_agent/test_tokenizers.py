"""The target tokenizers at their released sizes, and how their files are read."""

import pytest
import torch

from uio2_agent.errors import CheckpointError
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig, fuse_weight_norm
from uio2_agent.tokenizers.vqgan import VQGAN, nearest


def official_parts(shared, modality):
    """Return {name: shape} of a tokenizer in the listing of the large model's weights."""
    prefix = f"target_embedders.{modality}.vqgan."
    lines = (shared / "specs/uio2_large_state_dict.tsv").read_text().splitlines()
    rows = (line.split("\t") for line in lines if line.startswith(prefix))
    return {
        name.removeprefix(prefix): tuple(int(side) for side in shape.strip("[]()").split(",") if side.strip())
        for name, shape, *_ in rows
    }


@pytest.mark.parametrize(
    ("modality", "kind", "config"), [("image", VQGAN, VQGANConfig()), ("audio", ViTVQGAN, ViTVQGANConfig())]
)
def test_released_names_and_shapes(shared, modality, kind, config):
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in kind(config).state_dict().items()}
    assert ours == official_parts(shared, modality)


def test_released_vocoder_holds_as_many_numbers_as_the_spec_says():
    with torch.device("meta"):
        vocoder = Vocoder(VocoderConfig())
    assert sum(value.numel() for value in vocoder.parameters()) == 1_548_289


def test_a_code_vector_is_nearest_to_itself():
    codebook = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert nearest(codebook[None], codebook).tolist() == [list(range(50))]


def test_weight_norm_without_lengths_is_refused():
    with pytest.raises(CheckpointError, match=r"conv_pre\.weight_g"):
        fuse_weight_norm({"conv_pre.weight_v": torch.ones(2, 2, 1)})
