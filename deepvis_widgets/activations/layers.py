"""What can be looked at in a network: its layers, in forward order, and the units in them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .receptive_field import ReceptiveField, ReceptiveFieldWalk, measure
from .recorder import at_rest, flatten, hooked, record, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deepvis_widgets.models import VisionModel

UNIT = re.compile(r"^(?P<layer>.+):(?P<index>\d+)(@(?P<y>\d+),(?P<x>\d+))?$")


@dataclass(frozen=True)
class Layer:
    """One thing that a network computes on its way.

    Attributes:
        name: the dotted PyTorch name. The second call of a module called twice is ``name_1``; where a module returns
            several tensors, ``name`` is the first and ``name[1]`` or ``name[key]`` the others. What the whole network
            returns is ``output`` where no module returns it.
        kind: the class of the module, e.g. "Conv2d".
        shape: of one picture's activation, without the batch: (C, H, W), (C,), or what else the network uses.
        receptive_field: the part of the input a unit sees; None where it cannot be told.
        path: the module's own name.
        call: which of its calls, from 0.
        key: the position in a structured result, as `flatten` counts it.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    receptive_field: ReceptiveField | None
    path: str
    call: int = 0
    key: str = ""

    @property
    def units(self) -> int:
        """How many channels or neurons it has."""
        return self.shape[-1] if len(self.shape) == 2 else self.shape[0]


@dataclass(frozen=True)
class Unit:
    """A channel of a convolutional map or a neuron of a vector; in text ``conv5:12``, with a position ``conv5:12@6,6``."""

    layer: str
    index: int
    position: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Unit:
        """Read the text form.

        Raises:
            ValueError: the text is no unit.
        """
        match = UNIT.match(text)
        if match is None:
            raise ValueError(f"{text!r} is no unit; write it as layer:index or layer:index@row,column, e.g. conv5:12@6,6")
        position = (int(match["y"]), int(match["x"])) if match["y"] else None
        return cls(match["layer"], int(match["index"]), position)

    def __str__(self) -> str:
        """The text form."""
        return f"{self.layer}:{self.index}" + (f"@{self.position[0]},{self.position[1]}" if self.position else "")


def discover(model: VisionModel) -> tuple[Layer, ...]:
    """Every layer of a network, in the order in which they are computed, from one pass over a mean-coloured picture."""
    with torch.inference_mode(mode=False):  # inside it, operations arrive at the walk undivided, and have no gradient
        return _discover(model)


def _discover(model: VisionModel) -> tuple[Layer, ...]:
    x = torch.zeros(1, *model.input_size, device=model.device)
    found: list[Layer] = []
    walk = ReceptiveFieldWalk(x)
    with at_rest(model), torch.no_grad(), hooked(_visits(model.module, found, walk)), walk:
        output = run(model, walk.input)
        last = {id(value) for value in walk.named.values()}
        extra = [item for item in flatten(output) if id(item[1]) not in last]
        kind = type(model.module).__name__
        found += [Layer("output" + key, kind, *_facts(tensor, walk), path="", key=key) for key, tensor in extra]
    return tuple(_measured(model, layer) for layer in _unique(found))


def outline(layers: tuple[Layer, ...]) -> tuple[tuple[Layer, ...], ...]:
    """The layers a person would list first, each followed by those inside it.

    The children of the network itself, and of its plain Sequentials, come first; what is inside them follows the one that
    contains it. So the list of caffenet-mini reads conv1, pool1, conv2 ..., that of resnet18 conv1, bn1 ... layer1.0 ....
    """
    sequential = {layer.path for layer in layers if layer.kind == "Sequential"}

    def main(layer: Layer) -> str:
        parts = layer.path.split(".")
        for depth in range(1, len(parts) + 1):
            if ".".join(parts[:depth]) not in sequential:
                return ".".join(parts[:depth])
        return layer.path

    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.path not in sequential:
            groups.setdefault(main(layer), []).append(layer)
    return tuple(tuple(sorted(group, key=lambda layer: layer.path != path)) for path, group in groups.items())


def _visits(module: nn.Module, found: list[Layer], walk: ReceptiveFieldWalk) -> Iterator[tuple[nn.Module, Any]]:
    """A hook for every module but the root, adding what it computes to ``found``."""
    calls: Counter[str] = Counter()

    def visit(path: str) -> Any:  # a forward hook
        def hook(child: nn.Module, _inputs: Any, output: Any) -> None:
            call = calls[path]
            calls[path] += 1
            name = path + (f"_{call}" if call else "")
            tensors = list(flatten(output))
            for number, (key, tensor) in enumerate(tensors):
                walk.named[f"{name}{key}"] = tensor
                suffix = key if number else ""
                found.append(Layer(name + suffix, type(child).__name__, *_facts(tensor, walk), path, call, key))

        return hook

    for path, child in module.named_modules():
        if path:
            yield child, visit(path)


def _facts(tensor: Tensor, walk: ReceptiveFieldWalk) -> tuple[tuple[int, ...], ReceptiveField | None]:
    return tuple(tensor.shape[1:]), walk.field_of(tensor)


def _unique(layers: list[Layer]) -> Iterator[Layer]:
    """Names that a module's own name already takes get a longer suffix."""
    seen: set[str] = set()
    for layer in layers:
        name = layer.name
        while name in seen:
            name += "'"
        seen.add(name)
        yield replace(layer, name=name)


def _measured(model: VisionModel, layer: Layer) -> Layer:
    """Where walking the graph told nothing, the gradient does."""
    if layer.receptive_field is not None or len(layer.shape) != 3:
        return layer

    def activation(x: Tensor) -> Tensor:
        recorded: Tensor = record(model, x, [layer]).activations[layer.name]
        return recorded

    try:
        return replace(layer, receptive_field=measure(activation, model.input_size, model.device))
    except RuntimeError:  # it can be run, but not be differentiated
        return layer
