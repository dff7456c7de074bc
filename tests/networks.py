"""Small networks with random values, made without touching the global random state."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

import deepvis_widgets as dv

if TYPE_CHECKING:
    from collections.abc import Callable

    from deepvis_widgets.models import VisionModel

M = TypeVar("M")
PLAIN = {"mean": (0.0,) * 3, "std": (1.0,) * 3}  # so that a picture in 0..1 goes in as it is


def seeded(build: Callable[[], M], seed: int = 0) -> M:
    """What ``build`` makes, drawn with a seed of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def pictures(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed float."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def wrapped(module: nn.Module, size: tuple[int, ...] = (3, 16, 16), **options: Any) -> VisionModel:
    """A `VisionModel` of it."""
    return dv.wrap(module.eval(), input_size=size, **options)


def small_classifier(classes: int = 7, channels: int = 3) -> nn.Sequential:
    """Convolution, batch norm, in-place ReLU, pooling, a vector."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, 8, 3, padding=1),
            norm=nn.BatchNorm2d(8),
            relu=nn.ReLU(inplace=True),
            pool=nn.MaxPool2d(2),
            deep=nn.Conv2d(8, 12, 3),
            flat=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            head=nn.Linear(12, classes),
        )
    )


class Function(nn.Module):
    """A module from a function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)
