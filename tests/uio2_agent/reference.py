"""A second Unified-IO 2: slow, plain, no line shared with uio2_agent.

Written from a description of the official code alone. It reads what a fixture folder holds (official
configuration, state dict, flat batch) and answers as the official code does: padding is kept, absent frames
run through the feature encoder. All sizes come from the configuration, so it is an oracle for those that no
shared fixture has.

It refuses to know our classes, our names and our shortcuts. Generation is in reference_generation.py.

Batches are dictionaries without the leading slash: `inputs/text/tokens` and so on.
"""

import math

import torch
import torch.nn.functional as functional

from tests.uio2_agent.reference_tokenizers import Tokenizers

MODALITIES = ("text", "image", "image_history", "audio", "audio_history")
TARGETS = ("text", "image", "audio")


def rotary_1d(length, size):
    """[length, size]: (cos, sin) pairs of pos * 10000^(-2i/size)."""
    frequency = 10000.0 ** (-2.0 * torch.arange(size // 2) / size)
    angle = torch.arange(length)[:, None] * frequency[None, :]
    return torch.stack([angle.cos(), angle.sin()], -1).reshape(length, size)


def rotary_2d(rows, columns, size, scale=1.0):
    """[rows * columns, size]: the first half of the pairs turns with the row, the second with the column."""
    frequency = 10000.0 ** (-2.0 * torch.arange(size // 4) / (size // 2))
    row = torch.arange(rows).repeat_interleave(columns)[:, None] * scale * frequency
    column = torch.arange(columns).repeat(rows)[:, None] * scale * frequency
    angle = torch.cat([row, column], -1)
    return torch.stack([angle.cos(), angle.sin()], -1).reshape(rows * columns, size)


def rotate(x, table):
    """x [B, L, H, d] by table [B, L, d]."""
    cos, sin = table[:, :, None, 0::2], table[:, :, None, 1::2]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)


def pattern(kind, rows, columns):
    """One [N, N] mask of a target, by its definition: kind 0 row, 1 column, 2 convolution, 3 full."""
    visible = torch.zeros(rows * columns, rows * columns, dtype=torch.bool)
    for i in range(rows * columns):
        for j in range(i + 1):
            row, column = i // columns - j // columns, abs(i % columns - j % columns)
            visible[i, j] = (i <= j + columns, column == 0, row <= 5 and column <= 5, True)[kind]
    return visible


def rms_norm(x, scale):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-6) * scale


def attend(query, key, value, mask, scale, clip=None):
    """query [B, Q, H, d], key and value [B, K, H, d], mask [B, 1, Q or 1, K]; scale a number or [H, 1, 1]."""
    logits = torch.einsum("bqhd,bkhd->bhqk", query, key) * scale
    if clip is not None:
        logits = logits.clamp(-clip, clip)
    if mask is not None:
        logits = logits + torch.where(mask > 0, 0.0, -1e10)
    return torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), value).flatten(2)


class Reference:
    """The model of an official `config` and state dict; `pattern_masks` applies what officially is inert."""

    def __init__(self, state, config, pattern_masks=False):
        self.state, self.config, self.pattern_masks = state, config, pattern_masks
        self.main = config["t5_config"]
        self.tokenizers = Tokenizers(state, config)

    # Parts

    def linear(self, x, name):
        return functional.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def norm(self, x, name):
        return rms_norm(x, self.state[f"{name}.scale"])

    def layer_norm(self, x, name, eps):
        weight = self.state.get(f"{name}.weight")
        return functional.layer_norm(x, x.shape[-1:], weight, self.state[f"{name}.bias"], eps)

    def attention(
        self, name, x, context, heads, mask, rows=None, context_rows=None, qk=False, cosine=False, clip=None
    ):
        """The attention that all stacks share."""
        query, key, value = (
            self.linear(source, f"{name}.{part}").unflatten(-1, (heads, -1))
            for part, source in (("query", x), ("key", context), ("value", context))
        )
        if qk:
            query, key = self.norm(query, f"{name}.query_norm"), self.norm(key, f"{name}.key_norm")
        if rows is not None:
            query, key = rotate(query, rows), rotate(key, context_rows)
        scale = query.shape[-1] ** -0.5
        if cosine:
            query, key = (functional.normalize(each, dim=-1, eps=1e-12) for each in (query, key))
            scale = self.state[f"{name}.logit_scale"].reshape(-1, 1, 1).clamp(max=math.log(100)).exp()
        return self.linear(attend(query, key, value, mask, scale, clip), f"{name}.out")

    def gated(self, x, name):
        return self.linear(
            functional.silu(self.linear(x, f"{name}.wi_0")) * self.linear(x, f"{name}.wi_1"), f"{name}.wo"
        )

    # Inputs

    def feature_encoder(self, modality, patches, mask, positions, grid):
        """[B, n, width] twice: last and second block of the ViT (5.2) or AST (5.3) without extra tokens."""
        image = modality == "image"
        settings = self.config[f"{modality}_vit_cfg"]
        prefix = f"input_embedders.{modality}.image_encoder.vision_transformer"
        table = self.state[f"{prefix}.positional_embedding"]
        names = ("class_embedding",) if image else ("cls_token", "dist_token")
        extra = torch.stack([self.state[f"{prefix}.{name}"].reshape(-1) for name in names])
        if image:
            side = math.isqrt(len(table) - 1)
            square = table[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
            sized = functional.interpolate(
                square, size=grid, mode="bicubic", antialias=True, align_corners=False
            )
            table = torch.cat([table[:1], sized[0].flatten(1).T])
        elif settings["transpose_input"]:
            positions = positions % grid[1] * grid[0] + positions // grid[1]
        x = self.linear(patches, f"{prefix}.embedding") + table[len(extra) + positions]
        x = torch.cat([(extra + table[: len(extra)]).expand(len(x), -1, -1), x], 1)
        mask = torch.cat([torch.ones(len(x), len(extra)), mask.float()], 1)
        if image:
            x = self.layer_norm(x, f"{prefix}.pre_ln", 1e-5)
        outputs = []
        for layer in range(settings["num_layers"]):
            block, eps = f"{prefix}.transformer.resblocks.{layer}", 1e-5 if image else 1e-6
            h = self.layer_norm(x, f"{block}.ln_1", eps)
            query, key, value = (
                functional.linear(
                    h, self.state[f"{block}.attn.{part}_weight"], self.state[f"{block}.attn.{part}_bias"]
                )
                for part in ("query_in_proj", "key_in_proj", "value_in_proj")
            )
            query, key, value = (
                each.unflatten(-1, (settings["num_heads"], -1)) for each in (query, key, value)
            )
            seen = mask[:, None, :, None] * mask[:, None, None, :]
            h = attend(query, key, value, seen, query.shape[-1] ** -0.5)
            x = x + self.linear(h, f"{block}.attn.out_proj")
            h = self.linear(self.layer_norm(x, f"{block}.ln_2", eps), f"{block}.mlp.fc1")
            x = x + self.linear(
                functional.gelu(h, approximate="none" if image else "tanh"), f"{block}.mlp.fc2"
            )
            outputs.append(x[:, len(extra) :].detach())
        return outputs[-1], outputs[1]

    def input_grid(self, modality):
        kind = modality.split("_")[0]
        vit = self.config[f"use_{modality}_vit"]
        history = "_history" if modality.endswith("history") and vit else ""
        size = self.main[f"default_{kind}{history}{'_vit' * vit}_size"]
        patch = self.main[f"{kind}_vit_patch_size" if vit else f"{kind}_patch_size"]
        return size[0] // patch, size[1] // patch

    def embed_patches(self, modality, batch):
        patches, mask, positions = (
            batch[f"inputs/{modality}/{part}"] for part in ("input", "mask", "pos_ids")
        )
        grid = self.input_grid(modality)
        if self.config[f"use_{modality}_vit"]:
            patches = torch.cat(self.feature_encoder(modality, patches, mask, positions, grid), -1)
        ratio = math.sqrt(self.main["decoder_max_image_length"] / self.main["encoder_max_image_length"])
        rows = rotary_2d(*grid, self.main["head_dim"], ratio)[positions]
        return self.linear(patches, f"input_embedders.{modality}.projection"), mask, rows

    def resample(self, modality, context, mask):
        """context [N, n, width] -> [N, latents, width] (5.4)."""
        settings, name = self.config[f"{modality}_cfg"], f"input_embedders.{modality}.resampler.perceiver"
        context = self.norm(context, f"{name}.context_norm")
        x = self.state[f"{name}.latents"].expand(len(context), -1, -1)
        for layer in range(settings["num_layers"]):
            block = f"{name}.layers_{layer}"
            options = dict(qk=settings["xattn_qk_norm"], cosine=settings["xattn_scaled_cosine"])
            options["clip"] = settings["clip_attn_logit"]
            h, heads = self.norm(x, f"{block}.pre_xattention_norm"), settings["num_heads"]
            x = x + self.attention(
                f"{block}.xattention", h, context, heads, mask[:, None, None, :], **options
            )
            h = self.linear(self.norm(x, f"{block}.pre_mlp_norm"), f"{block}.mlp.wi")
            x = x + self.linear(functional.gelu(h), f"{block}.mlp.wo")
        return self.norm(x, f"{name}.perceiver_norm")

    def embed_history(self, modality, batch):
        patches, mask, positions = (
            batch[f"inputs/{modality}/{part}"] for part in ("input", "mask", "pos_ids")
        )
        examples, frames = patches.shape[:2]
        context, flat_mask = patches.flatten(0, 1), mask.flatten(0, 1)
        if self.config[f"use_{modality}_vit"]:
            kind = modality.removesuffix("_history")
            grid = self.input_grid(modality)
            context = self.feature_encoder(kind, context, flat_mask, positions.flatten(0, 1), grid)[0]
        context = self.linear(context, f"input_embedders.{modality}.pre_projection")
        x = self.linear(
            self.resample(modality, context, flat_mask), f"input_embedders.{modality}.post_projection"
        )
        latents = x.shape[1]
        rows = rotary_2d(self.config[f"{modality}_cfg"]["max_frames"], latents, self.main["head_dim"])
        present = (mask > 0).any(-1).repeat_interleave(latents, 1).int()  # [B, F * K]
        return (
            x.reshape(examples, frames * latents, -1),
            present,
            rows[: frames * latents].expand(examples, -1, -1),
        )

    def embed_text(self, batch):
        tokens = batch["inputs/text/tokens"]
        rows = rotary_1d(self.main["encoder_max_text_length"], self.main["head_dim"])
        return (
            self.state["text_token_embedder.weight"][tokens],
            batch["inputs/text/mask"],
            rows[batch["inputs/text/pos_ids"]],
        )

    def encoder_input(self, batch):
        """Embedding [B, L, D], mask [B, L], rotary rows [B, L, hd] of all inputs in a row."""
        parts = []
        for modality in MODALITIES:
            if not any(name.startswith(f"inputs/{modality}/") for name in batch):
                continue
            if modality == "text":
                x, mask, rows = self.embed_text(batch)
            elif modality.endswith("history"):
                x, mask, rows = self.embed_history(modality, batch)
            else:
                x, mask, rows = self.embed_patches(modality, batch)
            parts.append((x + self.state[f"input_embedders.{modality}.modality_embedding"], mask, rows))
        return tuple(torch.cat(each, 1) for each in zip(*parts, strict=True))

    # Encoder and decoder

    def main_attention(self, name, x, context, mask, rows, context_rows):
        if rows.shape[-1] == self.main["emb_dim"]:  # a single head: rotary is skipped, as officially
            rows = context_rows = None
        heads, qk = self.main["num_heads"], self.main["qk_norm"]
        return self.attention(name, x, context, heads, mask, rows, context_rows, qk)

    def encode(self, batch):
        """Final hidden states [B, L, D], mask and rotary rows."""
        x, mask, rows = self.encoder_input(batch)
        seen = mask[:, None, :, None] * mask[:, None, None, :]
        for layer in range(self.main["num_encoder_layers"]):
            name = f"encoder.layers_{layer}"
            h = self.norm(x, f"{name}.pre_attention_norm")
            x = x + self.main_attention(f"{name}.attention", h, h, seen, rows, rows)
            x = x + self.gated(self.norm(x, f"{name}.pre_mlp_norm"), f"{name}.mlp")
        return self.norm(x, "encoder.encoder_norm"), mask, rows

    def decode(self, x, rows, self_masks, cross_mask, encoded):
        """x [B, T, D]; one self-attention mask per layer [B or 1, 1, T, T]; cross_mask [B, 1, T, L]."""
        context, _, context_rows = encoded
        layers, every = self.main["num_decoder_layers"], self.main["decoder_xattention_internval"]
        for layer in range(layers):
            name = f"decoder.layers_{layer}"
            h = self.norm(x, f"{name}.pre_self_attention_norm")
            x = x + self.main_attention(f"{name}.self_attention", h, h, self_masks[layer], rows, rows)
            if layer % every == 0 or layer == layers - 1:
                h = self.norm(x, f"{name}.pre_cross_attention_norm")
                cross = f"{name}.encoder_decoder_attention"
                x = x + self.main_attention(cross, h, context, cross_mask, rows, context_rows)
            x = x + self.gated(self.norm(x, f"{name}.pre_mlp_norm"), f"{name}.mlp")
        return self.norm(x, "decoder.decoder_norm")

    # Targets

    def code_grid(self, modality):
        """Rows and columns of the tokeniser's grid; for audio mel first, as its rotary table has it (7)."""
        settings = self.config[f"{modality}_vqgan"]
        return tuple(
            size // patch
            for size, patch in zip(settings["default_input_size"], settings["patch_size"], strict=True)
        )

    def decoder_rows(self, modality):
        if modality == "text":
            return rotary_1d(self.main["decoder_max_text_length"], self.main["head_dim"])
        return rotary_2d(*self.code_grid(modality), self.main["head_dim"])

    def target_ids(self, modality, batch):
        """Inputs, targets, validity and loss mask, each [B, N]."""
        get = lambda name: batch[f"targets/{modality}/{name}"]  # noqa: E731
        if modality == "text":
            return get("inputs"), get("targets"), get("mask"), get("mask")
        if modality == "image":
            codes = self.tokenizers.image_codes(get("image").permute(0, 3, 1, 2))
        else:
            codes = self.tokenizers.audio_codes(get("audio").transpose(1, 2))
            codes = codes.unflatten(1, self.code_grid("audio")).transpose(1, 2).flatten(1)
        targets = codes + 2
        return functional.pad(targets[:, :-1], (1, 0)), targets, get("mask"), get("loss_mask")

    def layer_patterns(self, modality, batch, length):
        """[layers] of [B or 1, 1, N, N] visibility: all ones unless the switch is on (8.4)."""
        layers = self.main["num_decoder_layers"]
        if modality == "text" or not self.pattern_masks:
            return [torch.ones(1, 1, length, length, dtype=torch.bool)] * layers
        rows, columns = self.code_grid(modality)
        if modality == "audio":
            rows, columns = columns, rows
        clean = functional.pad(1 - batch[f"targets/{modality}/task_mask"][:, :-1], (1, 0), value=1) > 0
        dynamic = (clean[:, :, None] & clean[:, None, :]) | torch.eye(length, dtype=torch.bool)
        kinds = [2 if i == layers - 1 else 1 if (i - 1) % 4 == 0 else 0 for i in range(layers)]
        return [(pattern(kind, rows, columns) & dynamic)[:, None] for kind in kinds]

    def forward(self, batch):
        """Per target modality (logits [B, N, V], targets, loss mask), and what the fixtures call mid."""
        encoded = self.encode(batch)
        present = [each for each in TARGETS if any(name.startswith(f"targets/{each}/") for name in batch)]
        parts = {modality: self.target_ids(modality, batch) for modality in present}
        lengths = [parts[modality][0].shape[1] for modality in present]
        x = torch.cat([self.embed_ids(modality, parts[modality][0]) for modality in present], 1)
        valid = torch.cat([parts[modality][2] for modality in present], 1) > 0
        rows = []
        for modality, length in zip(present, lengths, strict=True):
            table = self.decoder_rows(modality)
            ids = (
                batch["targets/text/pos_ids"]
                if modality == "text"
                else torch.arange(length).expand(len(x), -1)
            )
            rows.append(table[ids])
        kind = torch.arange(len(present)).repeat_interleave(torch.tensor(lengths))
        segment = torch.cat(
            [batch["targets/text/segment_ids"] if m == "text" else torch.zeros(len(x), n, dtype=torch.long)
             for m, n in zip(present, lengths, strict=True)], 1,
        )  # fmt: skip
        same = (kind[:, None] == kind[None, :]) & (segment[:, :, None] == segment[:, None, :])
        mask = torch.ones(x.shape[1], x.shape[1]).tril().bool() & valid[:, :, None] & valid[:, None, :] & same
        stacks = [self.layer_patterns(m, batch, n) for m, n in zip(present, lengths, strict=True)]
        masks = []
        for layer in range(self.main["num_decoder_layers"]):
            allowed = torch.ones(len(x), 1, *mask.shape[1:], dtype=torch.bool)
            start = 0
            for stack, length in zip(stacks, lengths, strict=True):
                allowed[:, :, start : start + length, start : start + length] = stack[layer]
                start += length
            masks.append(mask[:, None] & allowed)
        cross = valid[:, None, :, None] & (encoded[1] > 0)[:, None, None, :]
        rows = torch.cat(rows, 1)
        hidden = self.decode(x, rows, masks, cross, encoded)
        middle = dict(
            zip(
                (f"encoder_in_{part}" for part in ("embed", "mask", "pos")),
                self.encoder_input(batch),
                strict=True,
            )
        )
        middle |= {
            "encoder_out": encoded[0],
            "decoder_embedding": x,
            "decoder_pos_emb": rows,
            "decoder_out": hidden,
        }
        middle |= {"decoder_attn_mask": mask[:, None], "encoder_decoder_mask": cross}
        result = {
            modality: (self.head(modality, each), parts[modality][1], parts[modality][3])
            for modality, each in zip(present, hidden.split(lengths, 1), strict=True)
        }
        return result, middle

    def embed_ids(self, modality, ids):
        return (
            self.state[f"{modality}_token_embedder.weight"][ids]
            + self.state[f"target_embedders.{modality}.modality_embedding"]
        )

    def head(self, modality, hidden):
        return hidden @ self.state[f"{modality}_token_embedder.weight"].T / math.sqrt(self.main["emb_dim"])
