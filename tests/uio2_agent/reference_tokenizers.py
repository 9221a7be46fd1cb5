"""The two target tokenizers and the vocoder, written from a description of the official code, beside
reference.py.

Layers are taken by their official names from the state dict and placed by the official configuration.
Encoders return codes, decoders pictures in [0, 1] and spectrograms; nothing here is imported from uio2_agent.
"""

import torch
import torch.nn.functional as functional


def sin_cos(rows, columns, width):
    """[rows * columns, width]: first half encodes the column, second the row."""
    frequency = 10000.0 ** (-torch.arange(width // 4) / (width / 4))
    column = torch.arange(columns).repeat(rows)[:, None] * frequency
    row = torch.arange(rows).repeat_interleave(columns)[:, None] * frequency
    return torch.cat([column.sin(), column.cos(), row.sin(), row.cos()], -1)


class Tokenizers:
    """VQGAN and ViT-VQGAN of an official `config` and state dict."""

    def __init__(self, state, config):
        self.state, self.image, self.audio = state, config["image_vqgan"], config["audio_vqgan"]

    # VQGAN (9.1)

    def conv(self, x, name, stride=1, padding=None):
        weight, bias = (
            self.state[f"target_embedders.image.vqgan.{name}.{part}"] for part in ("weight", "bias")
        )
        return functional.conv2d(
            x, weight, bias, stride, weight.shape[-1] // 2 if padding is None else padding
        )

    def group_norm(self, x, name):
        weight, bias = (
            self.state[f"target_embedders.image.vqgan.{name}.{part}"] for part in ("weight", "bias")
        )
        return functional.group_norm(x, 32, weight, bias, 1e-6)

    def residual(self, x, name):
        h = self.conv(functional.silu(self.group_norm(x, f"{name}.norm1")), f"{name}.conv1")
        h = self.conv(functional.silu(self.group_norm(h, f"{name}.norm2")), f"{name}.conv2")
        return (x if h.shape == x.shape else self.conv(x, f"{name}.nin_shortcut")) + h

    def spatial_attention(self, x, name):
        h = self.group_norm(x, f"{name}.norm")
        query, key, value = (self.conv(h, f"{name}.{part}").flatten(2) for part in "qkv")  # [B, C, h * w]
        weights = (torch.einsum("bci,bcj->bij", query, key) * x.shape[1] ** -0.5).softmax(-1)
        return x + self.conv(
            torch.einsum("bij,bcj->bci", weights, value).reshape(x.shape), f"{name}.proj_out"
        )

    def middle(self, x, side):
        x = self.spatial_attention(self.residual(x, f"{side}.mid_block_1"), f"{side}.mid_attn_1")
        return self.residual(x, f"{side}.mid_block_2")

    def resolutions(self):
        """Nominal resolution of each level, highest first."""
        return [self.image["resolution"] // 2**level for level in range(len(self.image["ch_mult"]))]

    def image_latents(self, image):
        """[B, 3, H, W] -> what is quantised, [B, z, h, w]."""
        x = self.conv(image, "encoder.conv_in")
        levels = self.resolutions()
        for level, resolution in enumerate(levels):
            for block in range(self.image["num_res_blocks"]):
                x = self.residual(x, f"encoder.down_{level}_block_{block}")
                if resolution in self.image["attn_resolutions"]:
                    x = self.spatial_attention(x, f"encoder.down_{level}_attn_{block}")
            if level < len(levels) - 1:
                padded = functional.pad(x, (0, 1, 0, 1))
                x = self.conv(padded, f"encoder.down_{level}_downsample.conv", stride=2, padding=0)
        x = functional.silu(self.group_norm(self.middle(x, "encoder"), "encoder.norm_out"))
        return self.conv(self.conv(x, "encoder.conv_out"), "quant_conv")

    def image_codes(self, image):
        """[B, 3, H, W] in [-1, 1] -> [B, N] raster codes."""
        latents = self.image_latents(image).flatten(2).transpose(1, 2)
        table = self.state["target_embedders.image.vqgan.quantize.embedding.weight"]
        return (latents[:, :, None, :] - table).square().sum(-1).argmin(-1)

    def image_parts(self, image):
        """Latents, codes, their vectors [B, z, h, w], and the picture [B, 3, H, W] that comes back."""
        codes = self.image_codes(image)
        return self.image_latents(image), codes, self.image_vectors(codes), self.raw_image(codes)

    def image_vectors(self, codes):
        side = round(codes.shape[1] ** 0.5)
        x = self.state["target_embedders.image.vqgan.quantize.embedding.weight"][codes]
        return x.unflatten(1, (side, side)).permute(0, 3, 1, 2)

    def decode_image(self, codes):
        """[B, N] codes of a square grid -> [B, H, W, 3] in [0, 1]."""
        return ((self.raw_image(codes) + 1) / 2).clamp(0, 1).permute(0, 2, 3, 1)

    def raw_image(self, codes):
        x = self.conv(self.image_vectors(codes), "post_quant_conv")
        x = self.middle(self.conv(x, "decoder.conv_in"), "decoder")
        levels = self.resolutions()[::-1]
        for level, resolution in enumerate(levels):
            for block in range(self.image["num_res_blocks"] + 1):
                x = self.residual(x, f"decoder.up_{level}_block_{block}")
                if resolution in self.image["attn_resolutions"]:
                    x = self.spatial_attention(x, f"decoder.up_{level}_attn_{block}")
            if level < len(levels) - 1:
                x = self.conv(
                    x.repeat_interleave(2, 2).repeat_interleave(2, 3), f"decoder.up_{level}_upsample.conv"
                )
        return self.conv(functional.silu(self.group_norm(x, "decoder.norm_out")), "decoder.conv_out")

    # ViT-VQGAN (9.2)

    def audio_linear(self, x, name):
        prefix = f"target_embedders.audio.vqgan.{name}"
        return functional.linear(x, self.state[f"{prefix}.weight"], self.state.get(f"{prefix}.bias"))

    def audio_norm(self, x, name):
        prefix = f"target_embedders.audio.vqgan.{name}"
        return functional.layer_norm(
            x, x.shape[-1:], self.state.get(f"{prefix}.weight"), self.state[f"{prefix}.bias"], 1e-6
        )

    def audio_grid(self):
        return [
            size // patch
            for size, patch in zip(self.audio["default_input_size"], self.audio["patch_size"], strict=True)
        ]

    def audio_blocks(self, x, side):
        heads = self.audio[f"{side}_num_heads"]
        for layer in range(self.audio[f"{side}_num_layers"]):
            name = f"{side}.transformer.encoderblock_{layer}"
            h = self.audio_norm(x, f"{name}.ln_1")
            query, key, value = (
                self.audio_linear(h, f"{name}.attn.{part}").unflatten(-1, (heads, -1))
                for part in ("query", "key", "value")
            )
            weights = (torch.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5).softmax(-1)
            x = x + self.audio_linear(
                torch.einsum("bhqk,bkhd->bqhd", weights, value).flatten(2), f"{name}.attn.out"
            )
            h = self.audio_linear(self.audio_norm(x, f"{name}.ln_2"), f"{name}.mlp.fc1").relu()
            x = x + self.audio_linear(h, f"{name}.mlp.fc2")
        return self.audio_norm(x, f"{side}.transformer.encoder_norm")

    def audio_latents(self, spectrogram):
        """[B, mel, time, 1] -> [B, N, code width] before quantising."""
        (rows, columns), (height, width) = self.audio_grid(), self.audio["patch_size"]
        x = spectrogram.reshape(len(spectrogram), rows, height, columns, width, 1).permute(0, 1, 3, 2, 4, 5)
        x = self.audio_linear(x.reshape(len(x), rows * columns, height * width), "encoder.embedding")
        x = x + sin_cos(rows, columns, self.audio["encoder_hidden_size"])
        x = self.audio_linear(self.audio_blocks(x, "encoder").relu(), "encoder.encoder_proj")
        return self.audio_norm(x, "encoder.encoder_norm")

    def audio_table(self):
        return functional.normalize(
            self.state["target_embedders.audio.vqgan.quantize.embedding.weight"], dim=-1
        )

    def audio_codes(self, spectrogram):
        """[B, mel, time, 1] -> [B, N] raster codes of the (mel, time) grid."""
        latents = functional.normalize(self.audio_latents(spectrogram), dim=-1)
        return (latents[:, :, None, :] - self.audio_table()).square().sum(-1).argmin(-1)

    def audio_parts(self, spectrogram):
        """Latents, codes, their vectors [B, N, width], and the picture [B, 1, mel, time] that comes back."""
        codes = self.audio_codes(spectrogram)
        picture = self.decode_audio(codes).permute(0, 3, 1, 2)
        return self.audio_latents(spectrogram), codes, self.audio_table()[codes], picture

    def decode_audio(self, codes):
        """[B, N] codes of the (mel, time) grid -> [B, mel, time, 1]."""
        x = self.audio_linear(self.audio_table()[codes], "decoder.decoder_proj")
        x = self.audio_blocks(x + sin_cos(*self.audio_grid(), self.audio["encoder_hidden_size"]), "decoder")
        x = x.transpose(1, 2).unflatten(2, self.audio_grid())
        weight = self.state["target_embedders.audio.vqgan.decoder.conv_transpose.weight"]
        return functional.conv_transpose2d(x, weight, stride=tuple(self.audio["patch_size"])).permute(
            0, 2, 3, 1
        )


# HiFi-GAN (9.3 and Kong et al. 2020)


def hifi_gan(state, config, log_mel):
    """Wave [B, samples] of log_mel [B, mels, T], from the weights of a file, with weight norm or fused."""

    def weight(name):
        if f"{name}.weight" in state:
            return state[f"{name}.weight"]
        direction = state[f"{name}.weight_v"]
        return state[f"{name}.weight_g"] * direction / direction.square().sum((1, 2), keepdim=True).sqrt()

    def conv(x, name, dilation=1):
        kernel = weight(name)
        padding = dilation * (kernel.shape[-1] - 1) // 2
        return functional.conv1d(x, kernel, state[f"{name}.bias"], padding=padding, dilation=dilation)

    def bent(x, slope=0.1):
        return torch.maximum(x, slope * x)

    def residual(x, name, dilations):
        for place, dilation in enumerate(dilations):
            if config["resblock"] == "1":
                inner = conv(bent(x), f"{name}.convs1.{place}", dilation)
                x = conv(bent(inner), f"{name}.convs2.{place}") + x
            else:
                x = conv(bent(x), f"{name}.convs.{place}", dilation) + x
        return x

    x = conv(log_mel, "conv_pre")
    kinds = config["resblock_dilation_sizes"]
    for level, (rate, kernel) in enumerate(
        zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True)
    ):
        name = f"ups.{level}"
        x = functional.conv_transpose1d(
            bent(x), weight(name), state[f"{name}.bias"], stride=rate, padding=(kernel - rate) // 2
        )
        x = sum(
            residual(x, f"resblocks.{level * len(kinds) + place}", dilations)
            for place, dilations in enumerate(kinds)
        ) / len(kinds)
    return conv(bent(x, 0.01), "conv_post").tanh()[:, 0]


def hifi_gan_state(config, seed):
    """Random weights with weight norm, by their official names."""
    draw = torch.Generator().manual_seed(seed)
    state = {}

    def add(name, *shape, outputs):
        state[f"{name}.weight_v"] = torch.randn(shape, generator=draw)
        state[f"{name}.weight_g"] = 0.5 + torch.rand(shape[0], 1, 1, generator=draw)
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=draw)

    width = config["upsample_initial_channel"]
    add("conv_pre", width, config["num_mels"], 7, outputs=width)
    for level, kernel in enumerate(config["upsample_kernel_sizes"]):
        add(f"ups.{level}", width, width // 2, kernel, outputs=width // 2)
        width //= 2
        for place, (size, dilations) in enumerate(
            zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)
        ):
            number = level * len(config["resblock_kernel_sizes"]) + place
            for convs in ("convs1", "convs2") if config["resblock"] == "1" else ("convs",):
                for index in range(len(dilations)):
                    add(f"resblocks.{number}.{convs}.{index}", width, width, size, outputs=width)
    add("conv_post", 1, width, 7, outputs=1)
    return state
