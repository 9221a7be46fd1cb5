"""Several examples in one row of the transformer: which ones share it, decided from their lengths alone."""

from pretrain.packing.best_fit import BestFitPacker
from pretrain.packing.bound import least_rows
from pretrain.packing.lengths import token_lengths
from pretrain.packing.packer import Lengths, Limits, Packer, Packing
from pretrain.packing.pairs import PairPacker

__all__ = [
    "BestFitPacker",
    "Lengths",
    "Limits",
    "Packer",
    "Packing",
    "PairPacker",
    "least_rows",
    "token_lengths",
]
