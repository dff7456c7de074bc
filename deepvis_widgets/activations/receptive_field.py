"""The part of the input that a unit sees, read off a forward pass while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Pair = tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """Where a unit's input comes from, in pixels of the network's input, (rows, columns).

    The unit at (i, j) sees ``size`` pixels from ``offset + stride * (i, j)`` on; a negative offset is padding. Units that
    see the whole picture have its size and stride 0. (As in Dumoulin and Visin, "A guide to convolution arithmetic".)
    """

    size: Pair
    stride: Pair
    offset: Pair

    def of(self, row: int, column: int) -> tuple[int, int, int, int]:
        """What the unit at a place sees: top, left, height, width; it may reach beyond the picture."""
        return self.offset[0] + self.stride[0] * row, self.offset[1] + self.stride[1] * column, *self.size


POINTWISE_LIKE = {  # beside what torch tags as pointwise: each place of the output depends on that place of the input alone
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "_batch_norm_with_update",
    "cudnn_batch_norm", "miopen_batch_norm", "clone", "detach", "_to_copy", "native_dropout", "lift_fresh", "alias",
    "contiguous", "copy_", "relu_",
}  # fmt: skip
MIXING = {  # each unit of the output depends on every unit of the input
    "mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "native_group_norm",
    "_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention", "_scaled_dot_product_attention_math",
}  # fmt: skip
RESHAPING = {"view", "_unsafe_view", "reshape", "transpose", "permute", "expand", "slice", "split", "split_with_sizes", "chunk",
             "unsqueeze", "squeeze", "select", "as_strided", "unbind"}  # fmt: skip
UNKNOWN = object()


class ReceptiveFieldWalk(TorchDispatchMode):
    """While entered, follows ``input`` through every operation that runs, functional ones included.

    Attributes:
        input: run the network on this.
        named: tensors to keep, by the name of the layer that computed them.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.input = x
        self.named: dict[str, Tensor] = {}
        self._whole = ReceptiveField((x.shape[2], x.shape[3]), (0, 0), (0, 0))
        # Tensors are kept beside their fields: an id is only unique while its owner lives.
        self._fields: dict[int, tuple[Tensor, Any]] = {id(x): (x, ReceptiveField((1, 1), (1, 1), (0, 0)))}

    def field_of(self, tensor: Tensor) -> ReceptiveField | None:
        """Of the units of a tensor; None where an operation was met that this module does not know."""
        field = self._fields.get(id(tensor), (tensor, None))[1]
        return field if isinstance(field, ReceptiveField) else None

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:  # the signature torch prescribes
        """Run the operation, and note what its results see."""
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and id(leaf) in self._fields]
        if inputs:
            known = [self._fields[id(tensor)][1] for tensor in inputs]
            for out in (leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)):
                self._fields[id(out)] = (out, self._after(func, args, inputs, known, out))
        return result

    def _after(self, func: Any, args: Sequence[Any], inputs: list[Tensor], known: list[Any], out: Tensor) -> Any:
        name = func.overloadpacket.__name__
        reduced = name in ("mean", "sum", "amax") and out.shape[-2:] != inputs[0].shape[-2:]
        pooled = "adaptive" in name and out.shape[-2:] == (1, 1)
        if self._whole in known or name in MIXING or reduced or pooled:
            return self._whole
        if UNKNOWN in known:
            return UNKNOWN
        if name in WINDOWS:
            return WINDOWS[name](known[0], args)
        same_place = torch.Tag.pointwise in func.tags or name in POINTWISE_LIKE or name == "cat" or name in RESHAPING
        keeps_places = all(tensor.ndim >= 3 and tensor.shape[-2:] == out.shape[-2:] for tensor in inputs)
        return _union(known) if same_place and keeps_places else UNKNOWN


def measure(
    activation: Callable[[Tensor], Tensor], input_size: tuple[int, int, int], device: torch.device
) -> ReceptiveField | None:
    """Where the gradient of the middle unit, and of its neighbours, is not zero, over random pictures.

    A lower bound: pixels whose gradient was zero in every draw are missed, and so is what lies beyond the picture.

    Args:
        activation: (1, C, H, W) normalised -> (1, units, h, w).
        input_size: (C, H, W).
        device: where to draw the pictures.
    """
    draws = [torch.randn(1, *input_size, generator=torch.Generator().manual_seed(seed)).to(device) for seed in range(8)]
    with torch.no_grad():
        height, width = activation(draws[0]).shape[2:]
    row, column = height // 2, width // 2
    here = _seen(activation, draws, row, column)
    if here is None:
        return None
    (top, bottom), (left, right) = here
    below = _seen(activation, draws, row - 1, column) if height > 1 else None
    beside = _seen(activation, draws, row, column - 1) if width > 1 else None
    stride = (max(top - below[0][0], bottom - below[0][1], 0) if below else 0,
              max(left - beside[1][0], right - beside[1][1], 0) if beside else 0)  # fmt: skip
    return ReceptiveField((bottom - top, right - left), stride, (top - stride[0] * row, left - stride[1] * column))


def _seen(activation: Callable[[Tensor], Tensor], draws: list[Tensor], row: int, column: int) -> tuple[Pair, Pair] | None:
    total = torch.zeros(draws[0].shape[2:], device=draws[0].device)
    with torch.enable_grad():
        for draw in draws:
            x = draw.clone().requires_grad_()
            value = activation(x)[0, :, row, column].float().sum()
            (gradient,) = torch.autograd.grad(value, x, allow_unused=True) if value.requires_grad else (None,)
            if gradient is not None:
                total += gradient[0].abs().sum(0)
    rows, columns = total.sum(1).nonzero().flatten().tolist(), total.sum(0).nonzero().flatten().tolist()
    return ((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1)) if rows else None


def _union(fields: list[Any]) -> Any:  # a field or UNKNOWN
    if len({field.stride for field in fields}) > 1:
        return UNKNOWN
    low = [min(field.offset[axis] for field in fields) for axis in (0, 1)]
    high = [max(field.offset[axis] + field.size[axis] for field in fields) for axis in (0, 1)]
    return ReceptiveField((high[0] - low[0], high[1] - low[1]), fields[0].stride, (low[0], low[1]))


def _slide(field: ReceptiveField, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> ReceptiveField:
    """After a window of a given size slid over it."""
    reach = [dilation[axis] * (kernel[axis] - 1) * field.stride[axis] for axis in (0, 1)]
    return ReceptiveField(
        (field.size[0] + reach[0], field.size[1] + reach[1]),
        (field.stride[0] * stride[0], field.stride[1] * stride[1]),
        (field.offset[0] - padding[0] * field.stride[0], field.offset[1] - padding[1] * field.stride[1]),
    )


def _pair(values: Sequence[int], default: Pair = (1, 1)) -> Pair:
    return (values[0], values[-1]) if values else default


def _convolution(field: ReceptiveField, args: Sequence[Any]) -> Any:  # a field or UNKNOWN
    weight, stride, padding, dilation, transposed = args[1], args[3], args[4], args[5], args[6]
    if transposed or weight.ndim != 4:
        return UNKNOWN
    return _slide(field, tuple(weight.shape[2:]), _pair(stride), _pair(padding), _pair(dilation))


def _max_pool(field: ReceptiveField, args: Sequence[Any]) -> ReceptiveField:
    kernel = _pair(args[1])
    rest = [_pair(args[i]) if len(args) > i and isinstance(args[i], list | tuple) else None for i in (2, 3, 4)]
    return _slide(field, kernel, rest[0] or kernel, rest[1] or (0, 0), rest[2] or (1, 1))


def _avg_pool(field: ReceptiveField, args: Sequence[Any]) -> ReceptiveField:
    return _max_pool(field, args[:4])


def _adaptive_pool(field: ReceptiveField, args: Sequence[Any]) -> Any:  # a field, or UNKNOWN where the windows differ in size
    sides, places = args[0].shape[-2:], args[1]
    if sides[0] % places[0] or sides[1] % places[1]:
        return UNKNOWN
    window = (sides[0] // places[0], sides[1] // places[1])
    return _slide(field, window, window, (0, 0), (1, 1))


def _pad(field: ReceptiveField, args: Sequence[Any]) -> Any:  # a field or UNKNOWN
    left, _right, top, _bottom = (*args[1], 0, 0, 0, 0)[:4]
    offset = (field.offset[0] - top * field.stride[0], field.offset[1] - left * field.stride[1])
    return ReceptiveField(field.size, field.stride, offset)


WINDOWS: dict[str, Callable[[ReceptiveField, Sequence[Any]], Any]] = {
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "_adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "constant_pad_nd": _pad,
}
