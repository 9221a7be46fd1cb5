"""Spectrograms to codes and back: the transformer VQGAN of audio targets.

Unusual: a spectrogram lies on its side here, mel bins as rows and time as columns; codes are a raster of that
picture. The decoder of the main model reads them time first. Frozen, like the VQGAN of images.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.network.layers import Attention
from uio2_agent.network.positions import sincos_2d
from uio2_agent.tokenizers.config import ViTVQGANConfig
from uio2_agent.tokenizers.vqgan import nearest

EPS = 1e-6


class ViTVQGAN(nn.Module):
    """Encode normalised log-mel spectrograms to a raster of codes, and decode codes to spectrograms.

    >>> vqgan = ViTVQGAN(ViTVQGANConfig(width=32, heads=2, head_dim=16, encoder_layers=1, decoder_layers=1))
    >>> codes = vqgan.encode(torch.zeros(1, 128, 256))
    >>> codes.shape, vqgan.decode(codes).shape
    (torch.Size([1, 512]), torch.Size([1, 128, 256]))
    """

    def __init__(self, config: ViTVQGANConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(config.codes, config.code_dim)})
        self.decoder = Decoder(config)

    def encode(self, spectrograms: Tensor) -> Tensor:
        """Return codes int64 [B, rows * columns] of spectrograms [B, mel, time]."""
        features = F.normalize(self.encoder(spectrograms), dim=-1)  # [B, N, code_dim]
        return nearest(features, F.normalize(self.quantize["embedding"].weight, dim=-1))

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the unit vectors [B, N, code_dim] of codes [B, N]."""
        return F.normalize(self.quantize["embedding"](codes), dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Return spectrograms [B, mel, time] of codes [B, N]."""
        return self.decoder(self.look_up(codes))


class Encoder(nn.Module):
    """Patches to the vectors that are quantised."""

    def __init__(self, config: ViTVQGANConfig):
        super().__init__()
        self.config = config
        rows, columns = config.patch_size
        self.embedding = nn.Linear(rows * columns, config.width)
        block = (config.heads, config.head_dim, config.mlp_dim)
        self.transformer = Transformer(config, config.encoder_layers, *block)
        self.encoder_proj = nn.Linear(config.width, config.code_dim, bias=False)
        self.encoder_norm = BiasNorm(config.code_dim)

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Return [B, N, code_dim] of spectrograms [B, mel, time]."""
        rows, columns = self.config.patch_size
        grid = spectrograms.unflatten(2, (-1, columns)).unflatten(1, (-1, rows))  # [B, y, rows, x, columns]
        patches = grid.transpose(2, 3).flatten(3).flatten(1, 2)  # [B, N, rows * columns]
        hidden = self.transformer(self.embedding(patches))
        return self.encoder_norm(self.encoder_proj(F.relu(hidden)))


class Decoder(nn.Module):
    """Vectors of codes to a spectrogram."""

    def __init__(self, config: ViTVQGANConfig):
        super().__init__()
        self.config = config
        self.decoder_proj = nn.Linear(config.code_dim, config.width, bias=False)
        block = (
            config.decoder_heads or config.heads,
            config.decoder_head_dim or config.head_dim,
            config.decoder_mlp_dim or config.mlp_dim,
        )
        self.transformer = Transformer(config, config.decoder_layers, *block)
        patch = config.patch_size
        self.conv_transpose = nn.ConvTranspose2d(config.width, 1, patch, stride=patch, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return [B, mel, time] of vectors [B, N, code_dim]."""
        hidden = self.transformer(self.decoder_proj(vectors)).transpose(1, 2)  # [B, width, N]
        return self.conv_transpose(hidden.unflatten(2, self.config.grid))[:, 0]


class Transformer(nn.Module):
    """Sines and cosines of the position added, pre-norm blocks, a final norm."""

    def __init__(self, config: ViTVQGANConfig, layers: int, heads: int, head_dim: int, mlp_dim: int):
        super().__init__()
        self.grid, self.width, self.layers = config.grid, config.width, layers
        for index in range(layers):
            self.add_module(f"encoderblock_{index}", Block(config.width, heads, head_dim, mlp_dim))
        self.encoder_norm = nn.LayerNorm(config.width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x + sincos_2d(*self.grid, self.width, x.device).to(x.dtype)
        for index in range(self.layers):
            x = self.get_submodule(f"encoderblock_{index}")(x)
        return self.encoder_norm(x)


class Block(nn.Module):
    """One block: attention without biases, an MLP with ReLU."""

    def __init__(self, width: int, heads: int, head_dim: int, mlp_dim: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, heads, head_dim, qk_norm=False)
        self.ln_2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, mlp_dim), "fc2": nn.Linear(mlp_dim, width)})

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(*self.attn.queries_keys_values(normed, None), None)
        return x + self.mlp["fc2"](F.relu(self.mlp["fc1"](self.ln_2(x))))


class BiasNorm(nn.Module):
    """Layer norm with a bias and no scale."""

    def __init__(self, width: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], bias=self.bias, eps=EPS)
