"""A model laid out for decoding on a CPU: packed float32 weights, or int8 weights.

Unusual: one decoding step multiplies a few rows with every weight, so it is as fast as weights can be read.
A plain float32 product of two to sixteen rows reads them at a third of the memory's speed here; weights in
the blocked layout of oneDNN are read at full speed, int8 weights (one scale an output, bfloat16 inputs) are
a quarter of the bytes. A packed model only generates: it cannot be trained or saved. The encoder, whose
products have hundreds of rows, stays as it is. The ops are torch's own, the ones its compiler uses.
"""

import itertools
import weakref

import torch
from torch import Tensor, nn

from uio2_agent.errors import UIO2Error
from uio2_agent.model import Network

WEIGHTS = ("float32", "int8")
ROWS = 4
"""Rows of a product the layout is chosen for; any number works."""


class PackedLinear(nn.Module):
    """x [..., inputs] times a packed float32 weight [outputs, inputs], without bias."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().float().contiguous(), ROWS)
        self.outputs = len(weight)
        self._handle = next(_handles)
        _packed[self._handle] = self

    def forward(self, x: Tensor) -> Tensor:
        _refuse_gradients(x)
        flat = x.reshape(-1, x.shape[-1])
        compiling = torch.compiler.is_compiling()
        product = packed_product(flat, self._handle) if compiling else self.product(flat)
        return product.unflatten(0, x.shape[:-1])

    def product(self, x: Tensor) -> Tensor:
        """Return [N, outputs] of x [N, inputs]."""
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")


_handles = itertools.count()
_packed: "weakref.WeakValueDictionary[int, PackedLinear]" = weakref.WeakValueDictionary()


@torch.library.custom_op("uio2_agent::packed_product", mutates_args=())
def packed_product(x: Tensor, handle: int) -> Tensor:
    """Multiply by the weight of a `PackedLinear`: the compiler cannot look into packed weights."""
    return _packed[handle].product(x)


@packed_product.register_fake
def _(x: Tensor, handle: int) -> Tensor:
    return x.new_empty(len(x), _packed[handle].outputs)


class Int8Linear(nn.Module):
    """x [..., inputs] times an int8 weight [outputs, inputs] with a scale for each output, without bias."""

    def __init__(self, weight: Tensor):
        super().__init__()
        weight = weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
        self._weight = (weight / scale[:, None]).round().to(torch.int8)
        self._scale = scale.bfloat16()

    def forward(self, x: Tensor) -> Tensor:
        _refuse_gradients(x)
        flat = x.reshape(-1, x.shape[-1]).bfloat16()
        product = torch._weight_int8pack_mm(flat, self._weight, self._scale)
        return product.to(x.dtype).unflatten(0, x.shape[:-1])


def _refuse_gradients(x: Tensor) -> None:
    if torch.is_grad_enabled() and x.requires_grad:
        raise UIO2Error(
            "a packed model only generates, without gradients: load it again to train, or use torch.no_grad()"
        )


def pack_weights(model: Network, weights: str = "float32") -> Network:
    """Replace the decoder's weights and the output heads of a float32 model on the CPU, in place.

    Arguments:
        weights: "float32" gives the same answers up to rounding; "int8" gives nearly the same ones.
    """
    if weights not in WEIGHTS:
        raise UIO2Error(f"weights={weights!r} is unknown: use one of {', '.join(WEIGHTS)}")
    table = model.text_table.weight
    if model.is_packed or table.device.type != "cpu" or table.dtype != torch.float32:
        state = "packed already" if model.is_packed else f"{table.dtype} on {table.device}"
        raise UIO2Error(f"packing is for a float32 model on the CPU; this one is {state}: load it again")
    if weights == "float32" and not torch.backends.mkldnn.is_available():
        raise UIO2Error("this torch has no oneDNN: use weights='int8', or decode unpacked")
    make = PackedLinear if weights == "float32" else Int8Linear
    for layer in model.decoder.layers:
        attention, mlp = layer.self_attention, layer.mlp
        attention.joined = make(
            torch.cat([attention.query.weight, attention.key.weight, attention.value.weight])
        )
        mlp.joined = make(torch.cat([mlp.gate.weight, mlp.up.weight]))
        del attention.query, attention.key, attention.value, mlp.gate, mlp.up
    for name, module in list(model.decoder.named_modules()):
        if isinstance(module, nn.Linear):
            model.decoder.set_submodule(name, make(module.weight))
    for modality in model.targets:
        model.packed_heads[modality] = make(model.table(modality))
    return model
