"""Which tensor of a network an objective reads: what a layer computes, or what goes into the ReLU that it ends with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deepvis_widgets.activations import Inspector, Layer
from deepvis_widgets.activations.recorder import hooked, record, record_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deepvis_widgets.models import VisionModel

# Where they are flat they have no gradient, or next to none; what goes into them always has one.
SATURATING = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish, nn.ELU, nn.Sigmoid, nn.Hardsigmoid, nn.Tanh,
    nn.Softmax, nn.LogSoftmax,
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A layer, and where in it the objective reads.

    Attributes:
        layer: which layer.
        source: a module's name and which of its calls; what it is given is read. None: what the layer computes.
        shape: of what is read, for one sample.
        weighted: the convolutions and linear maps that run before it, by name.
        pooled: whether the mean over the map of what ``source`` is given is read.
    """

    layer: Layer
    source: tuple[str, int] | None
    shape: tuple[int, ...]
    weighted: tuple[str, ...]
    pooled: bool = False

    def read(self, model: VisionModel, z: Tensor) -> Tensor:
        """Run the network as far as needed; (B, C, H, W) normalised -> (B, ...)."""
        if self.source is not None:
            given = record_input(model, z, *self.source)
            return given.float().flatten(2).mean(2) if self.pooled else given
        return record(model, z, [self.layer]).activations[self.layer.name]  # type: ignore[no-any-return]

    def inside(self, prefix: str) -> Target:
        """The same in a network that has this one as its part ``prefix``."""
        path = f"{prefix}.{self.layer.path}" if self.layer.path else ""
        source = self.source and (f"{prefix}.{self.source[0]}", self.source[1])
        return replace(self, layer=replace(self.layer, path=path), source=source)


def find_target(model: VisionModel, layer: str | Layer, size: tuple[int, int], *, pre_activation: bool) -> Target:
    """Look for the layer with one pass over a mean-coloured picture.

    With ``pre_activation``, a layer that is a ReLU or the like, or a block whose result is what a ReLU in it computed, is
    read before that ReLU: a unit at zero has no gradient after it. Where the result is the mean over the map of what a ReLU
    computed, which squeezenet's class scores are, it is the mean of what goes into it that is read. Where there is no such
    module (a concatenation, another pooling, a sum) the layer's own result is read.

    Raises:
        ValueError: no such layer, or the network does not take pictures of this size.
    """
    found = _layer(model, layer)
    zeros = torch.zeros(1, model.input_size[0], *size, device=model.device)
    last: list[tuple[str, int, Tensor, Tensor]] = []
    weighted: list[str] = []
    with torch.no_grad(), hooked(_watchers(model.module, found.path, last, weighted)):
        try:
            activation = record(model, zeros, [found], keep=lambda tensor: tensor).activations[found.name]
        except RuntimeError as error:
            raise ValueError(f"{model.name} does not take pictures of {size[0]} x {size[1]} pixels: {error}") from error
        # The very tensor, and nothing was written into it since: then the layer's result is what that module computed.
        same = [(path, call) for path, call, tensor, copy in last if tensor is activation and torch.equal(tensor, copy)]
        averaged = [(path, call) for path, call, _, copy in last[-1:] if not same and _is_mean_of(activation, copy)]
        source = (same + averaged)[-1] if pre_activation and same + averaged else None
        names = tuple(dict.fromkeys(weighted))
        target = Target(found, source, tuple(activation.shape[1:]), names, pooled=source in averaged)
        return replace(target, shape=tuple(target.read(model, zeros).shape[1:]))


def _is_mean_of(vector: Tensor, maps: Tensor) -> bool:
    if vector.ndim != 2 or maps.ndim != 4 or vector.shape != maps.shape[:2]:
        return False
    return torch.allclose(vector, maps.flatten(2).mean(2), rtol=1e-3, atol=1e-6)


def _layer(model: VisionModel, layer: str | Layer) -> Layer:
    """By name; a module's own name needs no search through the network."""
    if isinstance(layer, Layer):
        return layer
    modules = dict(model.module.named_modules())
    if layer in modules and layer:
        return Layer(layer, type(modules[layer]).__name__, (), None, layer)
    return Inspector(model).layer(layer)


def _watchers(
    module: nn.Module, within: str, last: list[tuple[str, int, Tensor, Tensor]], weighted: list[str]
) -> Iterator[tuple[nn.Module, Any]]:
    """Hooks that note what every saturating module within a layer computes, and which weights take part."""
    calls: Counter[str] = Counter()

    def watcher(path: str, *, saturating: bool) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if saturating and isinstance(output, Tensor):
                last.append((path, calls[path], output, output.clone()))
                calls[path] += 1
            elif not saturating:
                weighted.append(path)

        return hook

    for path, child in module.named_modules():
        if isinstance(child, SATURATING) and f"{path}.".startswith(f"{within}." if within else ""):
            yield child, watcher(path, saturating=True)
        elif type(child) in (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear):
            yield child, watcher(path, saturating=False)
