"""How others pack, beside which ours stands: OLMo-core's best fit decreasing and torchtitan's scan and pick.

Both look at one length. They are restated here for two sides, which must both fit; the packages' own packers
run, where they are installed, on one side alone (ai2-olmo-core 3.0, torchtitan 0.3). The restated ones do the
same there (`tests/pretrain/test_other_packers.py`).
"""

from collections.abc import Sequence

import numpy as np
import torch

from pretrain.packing import Lengths, Limits, Packing


class ScanAndPick:
    """torchtitan's rule: when `buffer` examples wait, a row takes those that fit, in the order they came.

    A row that is not full to the last place waits on, with all it holds, until everything is flushed.
    """

    def __init__(self, limits: Limits, buffer: int = 100):
        self.limits, self._buffer = limits, buffer

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Pack in the order given."""
        packing, waiting = Packing(), {}
        for number, length in enumerate(lengths):
            if not self.limits.fits(length):
                packing.refused.append(number)
                continue
            waiting[number] = length
            if len(waiting) >= self._buffer:
                self._emit(waiting, packing, flush=False)
        self._emit(waiting, packing, flush=True)
        return packing

    def _emit(self, waiting: dict[int, Lengths], packing: Packing, flush: bool) -> None:
        while waiting:
            row, encoder, decoder = [], 0, 0
            for number, length in waiting.items():
                if self.limits.fits((encoder + length[0], decoder + length[1])):
                    row.append(number)
                    encoder, decoder = encoder + length[0], decoder + length[1]
            if not flush and encoder < self.limits.encoder and decoder < self.limits.decoder:
                break
            packing.rows.append(row)
            for number in row:
                del waiting[number]


class BestFitDecreasing:
    """OLMo-core's rule: the longest first, each into the row it leaves least room in; `window` at once."""

    def __init__(self, limits: Limits, window: int = 2048):
        self.limits, self._window = limits, window

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Pack window by window."""
        sizes, limits = np.array(lengths), np.array([self.limits.encoder, self.limits.decoder])
        fits = (sizes <= limits).all(1)
        packing = Packing(refused=np.flatnonzero(~fits).tolist())
        stream = np.flatnonzero(fits)
        for first in range(0, len(stream), self._window):
            window = stream[first : first + self._window]
            rows: list[list[int]] = []
            room = np.empty((len(window), 2), int)
            for number in window[np.argsort(-(sizes[window] / limits).sum(1), kind="stable")]:
                left = room[: len(rows)] - sizes[number]
                total = np.where((left >= 0).all(1), (left / limits).sum(1), np.inf)
                if len(rows) and np.isfinite(total.min()):
                    place = int(total.argmin())
                    rows[place].append(int(number))
                    room[place] = left[place]
                else:
                    room[len(rows)] = limits - sizes[number]
                    rows.append([int(number)])
            packing.rows += rows
        return packing


class OlmoCore:
    """The packer of the package, on the encoder's lengths; its rows are powers of two. Raises ImportError
    where it is not installed.
    """

    def __init__(self, limits: Limits):
        from olmo_core.data.utils import InstancePacker

        self.limits, self._packer = limits, InstancePacker(limits.encoder)

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Pack all examples at once."""
        sizes = np.array([encoder for encoder, _ in lengths])
        numbers = np.flatnonzero(sizes <= self.limits.encoder)
        ends = sizes[numbers].cumsum()  # the package is told where each document begins and ends
        rows, documents, _ = self._packer.pack_documents(np.stack([ends - sizes[numbers], ends], 1))
        number_of = dict(zip(ends.tolist(), numbers.tolist(), strict=True))
        packed = [[number_of[int(documents[document][1])] for document in row] for row in rows]
        self._packer.reset()
        return Packing(packed, np.flatnonzero(sizes > self.limits.encoder).tolist())


class Torchtitan:
    """The packer of the package, on the encoder's lengths. Raises ImportError where it is not installed."""

    def __init__(self, limits: Limits, buffer: int = 100):
        from torchtitan.hf_datasets.multimodal.utils.packing import MMSamplePacker

        self.limits, self._packer = limits, MMSamplePacker(limits.encoder, buffer)

    def pack(self, lengths: Sequence[Lengths]) -> Packing:
        """Pack in the order given."""
        packing, nothing = Packing(), torch.empty(0)
        for number, (encoder, _) in enumerate(lengths):
            if encoder > self.limits.encoder:
                packing.refused.append(number)
                continue
            tokens = torch.empty(encoder, dtype=torch.int8)
            self._packer.add_sample(
                {"input_ids": tokens, "labels": torch.tensor([number]), "positions": nothing}
            )
        self._packer.flush()
        packing.rows += [row["labels"].tolist() for row in self._packer.packed_samples]
        self._packer.packed_samples.clear()
        return packing
