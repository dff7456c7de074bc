"""A receptive field is the part of the picture that a unit's value depends on: against geometry, gradients and brute force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models as zoo

import deepvis_widgets as dv
from deepvis_widgets.activations.receptive_field import measure
from tests.networks import Function, pictures, seeded, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SIDE = 72
Box = tuple[int, int, int, int]  # top, left, height, width


def fields(module: nn.Module, size: tuple[int, int, int]) -> list[tuple[str, dv.ReceptiveField | None]]:
    return [(layer.name, layer.receptive_field) for layer in dv.Inspector(wrapped(module, size)).layers]


def last_field(module: nn.Module, size: tuple[int, int, int] = (1, SIDE, SIDE)) -> dv.ReceptiveField:
    field = fields(module, size)[-1][1]
    assert field is not None
    return field


def dependency(module: Callable[[Tensor], Tensor], x: Tensor, row: int, column: int) -> Box | None:
    """The box of pixels that have a gradient; None where only padding is seen."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(module(x)[0, :, row, column].sum(), x)
    rows, columns = (gradient[0].abs().sum((0, 1 + axis)).nonzero().flatten() for axis in (1, 0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0].item(), rows[-1].item(), columns[0].item(), columns[-1].item()
    return int(top), int(left), int(bottom - top + 1), int(right - left + 1)


def test_caffenets_units_see_what_the_paper_says() -> None:
    """Yosinski et al.'s toolbox, find_maxes: 11, 51, 99, 131, 163 pixels."""

    def conv(size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
        return nn.Conv2d(1, 1, size, stride, padding)

    def build() -> nn.Module:
        pools = nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 2)
        return nn.Sequential(conv(11, 4), nn.ReLU(), pools[0], conv(5, 1, 2), pools[1], *(conv(3, 1, 1) for _ in range(3)))

    seen = fields(seeded(build), (1, 227, 227))
    convolutions = [field for name, field in seen if name in ("0", "3", "5", "6", "7")]
    assert [field.size for field in convolutions if field] == [(s, s) for s in (11, 51, 99, 131, 163)]
    assert [field.stride for field in convolutions if field] == [(s, s) for s in (4, 8, 16, 16, 16)]


def test_torchvisions_alexnet_by_the_textbooks_recurrence() -> None:
    with torch.device("meta"):
        features = zoo.alexnet().features
    features = features.to_empty(device="cpu")
    size = step = 1
    offset = 0
    for (_, field), layer in zip(fields(features, (3, 224, 224)), features, strict=True):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            sides = (layer.kernel_size, layer.stride, layer.padding)
            kernel, stride, padding = (side if isinstance(side, int) else side[0] for side in sides)
            size, offset, step = size + (kernel - 1) * step, offset - padding * step, step * stride
        assert field == dv.ReceptiveField((size, size), (step, step), (offset, offset))
    assert (size, step, offset) == (195, 32, -66)


KERNEL = st.tuples(st.integers(1, 5), st.integers(1, 5))
PAIR = st.tuples(st.integers(1, 2), st.integers(1, 2))


@st.composite
def stacks(draw: st.DrawFn, pools: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Some convolutions, poolings and paddings, as (kind, options)."""
    layers = []
    kinds = st.sampled_from(["conv", "max", "avg", "pad"] if pools else ["conv", "avg", "pad"])
    for kind in draw(st.lists(kinds, min_size=1, max_size=4)):
        if kind == "pad":
            layers.append((kind, {"padding": draw(st.tuples(*[st.integers(0, 3)] * 4))}))
            continue
        kernel, dilation = draw(KERNEL), (1, 1) if kind == "avg" else draw(PAIR)
        padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
        options = {"kernel_size": kernel, "stride": draw(PAIR), "padding": padding}
        layers.append((kind, options if kind == "avg" else {**options, "dilation": dilation}))
    return layers


def built(layers: Sequence[tuple[str, dict[str, Any]]], *, smooth: bool) -> nn.Sequential:
    """The stack; ``smooth`` with sums for maxima, so that every pixel that may matter has a gradient."""

    def layer(kind: str, options: dict[str, Any]) -> nn.Module:
        if kind == "pad":
            return nn.ZeroPad2d(options["padding"])
        if kind == "avg":
            return nn.AvgPool2d(**options)
        if kind == "max" and not smooth:
            return nn.MaxPool2d(**options)
        return nn.Conv2d(1, 1, bias=False, **options)

    network = nn.Sequential(*(layer(*each) for each in layers))
    for parameter in network.parameters() if smooth else ():
        nn.init.ones_(parameter)
    return network


@given(stacks())
@settings(deadline=None, max_examples=40)
def test_any_stack_sees_exactly_the_pixels_that_have_a_gradient(layers: list[tuple[str, dict[str, Any]]]) -> None:
    field = last_field(seeded(lambda: built(layers, smooth=False)))
    network = seeded(lambda: built(layers, smooth=True)).double()
    x = torch.ones(1, 1, SIDE, SIDE, dtype=torch.float64)
    height, width = network(x).shape[2:]
    assume(min(height, width) > 1)
    whole = 0
    for row, column in ((height // 2, width // 2), (height // 2 - 1, width // 2), (height // 2, width // 2 - 1), (0, 0)):
        top, left, tall, wide = field.of(row, column)
        inside = top >= 0 and left >= 0 and top + tall <= SIDE and left + wide <= SIDE
        whole += inside
        seen = dependency(network, x, row, column)
        if inside:  # elsewhere padding hides some of it
            assert seen == (top, left, tall, wide)
        if seen is not None:
            assert (top <= seen[0], left <= seen[1]) == (True, True)
            assert (top + tall >= seen[0] + seen[2], left + wide >= seen[1] + seen[3]) == (True, True)
    assume(whole)


@given(stacks(pools=False))
@settings(deadline=None, max_examples=15)
def test_the_gradient_probe_finds_what_the_walk_reads(layers: list[tuple[str, dict[str, Any]]]) -> None:
    network = seeded(lambda: built(layers, smooth=False))
    field = last_field(network)
    height, width = network(torch.zeros(1, 1, SIDE, SIDE)).shape[2:]
    boxes = [field.of(row, column) for row in (height // 2 - 1, height // 2) for column in (width // 2 - 1, width // 2)]
    assume(min(height, width) > 1)
    assume(all(t >= 0 and left >= 0 and t + h <= SIDE and left + w <= SIDE for t, left, h, w in boxes))
    assert measure(network, (1, SIDE, SIDE), torch.device("cpu")) == field


class Residual(nn.Module):
    """x + conv(x), or both side by side."""

    def __init__(self, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.narrow, self.wide, self.join = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 5, padding=2), join

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self.narrow(x), self.wide(x))


JOINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "in place": lambda a, b: a.add_(b),
    "multiply": lambda a, b: a * b.sigmoid(),
    "concatenate": lambda a, b: torch.cat([a, b], 1),
}


@pytest.mark.parametrize("join", JOINS)
def test_branches_that_meet_see_what_each_of_them_sees(join: str) -> None:
    network = seeded(lambda: nn.Sequential(nn.Conv2d(1, 1, 3, stride=2, padding=1), Residual(JOINS[join])))
    assert last_field(network) == dv.ReceptiveField((11, 11), (2, 2), (-5, -5))


def test_shapes_that_are_not_square_and_non_spatial_operations_keep_their_axes() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(2, 4, (1, 5), (1, 2), (0, 2)), nn.BatchNorm2d(4), nn.PReLU(4), nn.GELU(), nn.Dropout2d())

    assert last_field(seeded(build), (2, 12, 40)) == dv.ReceptiveField((1, 5), (1, 2), (0, -2))


WHOLE: dict[str, Callable[[], nn.Module]] = {
    "adaptive pool": lambda: nn.AdaptiveAvgPool2d(1),
    "adaptive max pool": lambda: nn.AdaptiveMaxPool2d(1),
    "mean": lambda: Function(lambda x: x.mean((2, 3))),
    "flatten and linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 14 * 18, 5)),
    "gate of the mean": lambda: Function(lambda x: x * x.mean((2, 3), keepdim=True)),
}


@pytest.mark.parametrize("end", WHOLE)
def test_what_comes_after_global_pooling_sees_the_whole_picture(end: str) -> None:
    network = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), WHOLE[end](), nn.ReLU()))
    assert last_field(network, (1, 16, 20)) == dv.ReceptiveField((16, 20), (0, 0), (0, 0))


def test_an_adaptive_pool_that_pools_by_whole_windows_is_a_pool() -> None:
    network = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AdaptiveAvgPool2d((4, 6))))
    assert last_field(network, (1, 16, 12)) == dv.ReceptiveField((6, 4), (4, 2), (-1, -1))


def test_an_operation_that_the_walk_does_not_know_is_measured() -> None:
    shift = Function(lambda x: torch.roll(x, 4, dims=3))
    network = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), shift, nn.Conv2d(2, 2, 3, padding=1)))
    assert last_field(network, (1, 32, 32)) == dv.ReceptiveField((5, 5), (1, 1), (-2, -6))
    assert last_field(network, (1, 32, 32)).of(16, 16) == dependency(network, pictures(1, 1, 32, 32), 16, 16)


class Untaught(torch.autograd.Function):
    """An operation without a gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.roll(1, 2)


UNTOLD: dict[str, Callable[[Tensor], Tensor]] = {
    "a constant": lambda x: torch.ones(1, 2, 4, 4),
    "cut off": lambda x: x.detach().roll(1, 2),
    "no gradient": Untaught.apply,
    "a flat gradient": lambda x: x.roll(1, 2).round(),
}


@pytest.mark.parametrize("kind", UNTOLD)
def test_where_nothing_can_be_told_there_is_no_field_and_the_layers_are_listed_all_the_same(kind: str) -> None:
    assert fields(nn.Sequential(Function(UNTOLD[kind])), (1, 8, 8)) == [("0", None)]


def test_finding_the_fields_runs_in_any_grad_mode_and_for_half_precision() -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())).bfloat16()
    expected = dv.ReceptiveField((3, 3), (1, 1), (0, 0))
    for mode in (torch.inference_mode, torch.no_grad, torch.enable_grad):
        with mode():
            assert last_field(module, (1, 8, 8)) == expected
