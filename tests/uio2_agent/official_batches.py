"""Random flat batches in the official form, for any configuration of official_sizes.py.

They hold what makes batches hard: rows of unlike length, patches in a drawn order, masked patches, rows
without a picture, absent frames, loss masks with holes. Ids are drawn, so nothing here is text.
"""

import numpy as np
import torch


class Batches:
    """Random flat batches for one configuration."""

    def __init__(self, reference, seed):
        self.reference, self.config = reference, reference.config
        self.random = np.random.default_rng(seed)

    def _normal(self, *shape):
        return torch.from_numpy(self.random.normal(size=shape).astype(np.float32))

    def _lengths(self, rows, longest):
        """[rows, longest] validity: first row full, others shorter, at least one."""
        lengths = [longest, *self.random.integers(1, longest + 1, rows - 1)]
        return torch.arange(longest)[None, :] < torch.tensor(lengths)[:, None]

    def text(self, rows, length):
        valid = self._lengths(rows, length)
        tokens = torch.from_numpy(
            self.random.integers(2, self.config["t5_config"]["vocab_size"], (rows, length))
        )
        parts = {"tokens": tokens * valid, "pos_ids": torch.arange(length) * valid, "mask": valid}
        return {f"inputs/text/{name}": value.long() for name, value in parts.items()}

    def patches(self, modality, rows, count=None, frames=None, holes=True):
        """`count` of the grid's patches in a drawn order, some masked; the whole grid in order by default."""
        grid = self.reference.input_grid(modality)
        kind = modality.removesuffix("_history")
        size = self.config["t5_config"][f"{kind}_vit_patch_size"] ** 2 * (3 if kind == "image" else 1)
        total = grid[0] * grid[1]
        lead = (rows,) if frames is None else (rows, frames)
        values = self._normal(*lead, count or total, size)
        if count is None:
            positions = torch.arange(total).expand(*lead, -1).clone()
        else:
            drawn = [self.random.permutation(total)[:count] for _ in range(int(np.prod(lead)))]
            positions = torch.from_numpy(np.stack(drawn)).reshape(*lead, count)
        mask = torch.ones(positions.shape, dtype=torch.long)
        if holes:
            mask = torch.from_numpy(self.random.integers(0, 4, tuple(positions.shape)) > 0).long()
            mask[..., 0] = 1
        if rows > 1:  # as batching fills a row that holds no picture, and an example with fewer frames
            mask[-1] = 0
            if frames:
                mask[0, -1] = 0
        kept = mask[..., None].float() if count is None or frames else 1
        gone = (mask.sum(-1, keepdim=True) > 0).long()
        parts = {"input": values * kept, "mask": mask, "pos_ids": positions * gone}
        return {f"inputs/{modality}/{name}": value for name, value in parts.items()}

    def everything(self, rows):
        batch = self.text(rows, 9) | self.patches("image", rows, 7) | self.patches("audio", rows, 5)
        batch |= self.patches("image_history", rows, frames=3)
        return batch | self.patches("audio_history", rows, frames=2, holes=False)

    def text_target(self, rows, length):
        valid = self._lengths(rows, length)
        tokens = torch.from_numpy(
            self.random.integers(2, self.config["t5_config"]["vocab_size"], (rows, length))
        )
        tokens = tokens * valid
        tokens[torch.arange(rows), valid.sum(1) - 1] = 1
        inputs = torch.nn.functional.pad(tokens[:, :-1], (1, 0)) * valid
        parts = dict(targets=tokens, inputs=inputs, pos_ids=torch.arange(length) * valid)
        parts |= dict(segment_ids=valid, mask=valid)
        return {f"targets/text/{name}": value.long() for name, value in parts.items()}

    def code_target(self, modality, rows):
        size = self.config[f"{modality}_vqgan"]["default_input_size"]
        if modality == "image":
            values = self._normal(rows, *size, 3).clamp(-1, 1)
        else:
            values = self._normal(rows, size[1], size[0], 1)
        count = int(np.prod(self.reference.code_grid(modality)))
        parts = {modality: values, "mask": torch.ones(rows, count).long()}
        parts["mask"][0, count - 5 :] = 0
        drawn = torch.from_numpy(self.random.integers(0, 2, (2, rows, count)))
        parts |= {"loss_mask": parts["mask"] * drawn[0], "task_mask": drawn[1]}
        return {f"targets/{modality}/{name}": value for name, value in parts.items()}
