"""A gradient for units that have none: ReLUs that let through what would switch them on.

After lucid's redirected ReLU gradient (Olah, Mordvintsev and Schubert 2017): where a ReLU is off but the objective would rise
if it were on, the gradient passes as if it were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RELUS = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
LIMITS = (0.0, 6.0)  # of ReLU6


class RedirectedReLU(TorchFunctionMode):
    """While entered, the ReLUs of every module and function have the other gradient; no module is touched.

    Args:
        rows: (B,) bool, for which samples; the others keep the ordinary gradient.
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Another function in the place of ReLU and ReLU6; all others as they are."""
        if func in RELUS:
            return _Gate.apply(args[0], LIMITS[0], None, self.rows)
        if func is F.relu6 or (func is F.hardtanh and tuple(args[1:3]) == LIMITS):
            return _Gate.apply(args[0], *LIMITS, self.rows)
        return func(*args, **(kwargs or {}))


class _Gate(torch.autograd.Function):
    """``clamp(low, high)`` whose gradient passes wherever it points back into the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float | None, rows: Tensor) -> Tensor:
        ctx.save_for_backward(x, rows)
        ctx.limits = (low, float("inf") if high is None else high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x, rows), (low, high), gradient = ctx.saved_tensors, ctx.limits, grads[0]
        redirected = rows.view(-1, *[1] * (x.ndim - 1)) if len(rows) == len(x) else rows.any()
        back = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        passes = ((x > low) & (x < high)) | (redirected & back)
        return gradient * passes, None, None, None
