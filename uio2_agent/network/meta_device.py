"""Modules on the meta device without the work of drawing initial values.

Unusual: drawing random numbers into a meta tensor, scaling or shifting it has no effect, yet costs a
millisecond a call and loads torch's compiler the first time. A function mode leaves those calls out, so that
the largest model is built in a fraction of a second. It knows no module.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _NoInitialValues(TorchFunctionMode):
    """Tensors of the shape asked for, where `torch.nn.init`, `randn` and what scales them would fill them."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        if func is torch.randn:
            func = torch.empty
        scales = func is torch.Tensor.mul and isinstance(args[1], float)
        if (scales or func is torch.Tensor.add_) and args[0].is_meta:
            return args[0]
        return func(*args, **kwargs)


def shapes_only_on_meta(init: Callable[..., None]) -> Callable[..., None]:
    """Decorate the `__init__` of a module: under `torch.device("meta")` it initialises nothing."""

    @functools.wraps(init)
    def build(*args: Any, **kwargs: Any) -> None:
        if torch.get_default_device().type != "meta":
            return init(*args, **kwargs)
        with _NoInitialValues():
            return init(*args, **kwargs)

    return build
