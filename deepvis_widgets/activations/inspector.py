"""Inspector: the layers of a network, what they compute, and what the network says."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor

from .layers import Layer, discover, outline
from .recorder import flatten, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deepvis_widgets.models import VisionModel


@dataclass(frozen=True)
class Prediction:
    """One class: its name, its probability in 0..1 and its place among the outputs."""

    label: str
    probability: float
    index: int


class Inspector:
    """Looks into a network without changing it: mode, ``requires_grad``, hooks and memory format stay as they were.

    Args:
        model: from `deepvis_widgets.load` or `deepvis_widgets.wrap`.
    """

    def __init__(self, model: VisionModel) -> None:
        self.model = model

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Everything the network computes, in forward order."""
        return discover(self.model)

    @cached_property
    def outline(self) -> tuple[tuple[Layer, ...], ...]:
        """The layers to list first, each followed by those inside it; see `outline`."""
        return outline(self.layers)

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        if name not in self._by_name:
            near = difflib.get_close_matches(name, self._by_name, n=3) or list(self._by_name)[:3]
            raise ValueError(f"{self.model.name} has no layer {name!r}; near: {', '.join(near)}; all: Inspector(model).layers")
        return self._by_name[name]

    @overload
    def activations(self, images: Any, layer: str) -> Tensor: ...
    @overload
    def activations(self, images: Any, layer: Sequence[str]) -> dict[str, Tensor]: ...

    def activations(self, images: Any, layer: str | Sequence[str]) -> Tensor | dict[str, Tensor]:
        """What one or several layers compute for one or several pictures, in one pass that stops at the deepest.

        Args:
            images: as `VisionModel.preprocess` takes them.
            layer: a name, or a list of names.

        Returns:
            (N, C, H, W) or (N, C), or whatever rank the layer has; for a list, by name.

        Raises:
            ValueError: no such layer.
            ImageError: a picture cannot be used.
        """
        names = [layer] if isinstance(layer, str) else list(layer)
        layers = [self.layer(name) for name in dict.fromkeys(names)]
        if not layers:
            return {}
        with torch.no_grad():
            recording = record(self.model, self.model.preprocess(images), layers)
        return recording.activations[layer] if isinstance(layer, str) else {name: recording.activations[name] for name in names}

    def predict(self, images: Any, k: int = 5) -> tuple[tuple[Prediction, ...], ...]:
        """The ``k`` most probable classes of each picture, most probable first.

        Raises:
            ValueError: the network is no classifier.
        """
        with torch.no_grad():
            output = record(self.model, self.model.preprocess(images), [], to_end=True).output
        return top_k(self.model, output, k)


def top_k(model: VisionModel, output: Any, k: int) -> tuple[tuple[Prediction, ...], ...]:
    """The most probable classes in what a classifier returned, (N, classes), per picture.

    Outputs that are probabilities already (not negative, adding up to 1) are taken as they are, others are logits. A class
    whose probability is not a number is left out.

    Raises:
        ValueError: the output has no such shape.
    """
    key, first = next(flatten(output), ("", None))
    if first is None or first.ndim != 2 or key.count("[") > 1:  # deeper down lie the boxes of a detector
        shape = None if first is None else tuple(first.shape)
        raise ValueError(f"{model.name} is no classifier: its output is {shape}, not (N, classes)")
    logits = first.float()
    done = bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < 1e-3).all())
    values, indices = (logits if done else logits.softmax(1)).topk(min(k, logits.shape[1]))
    pairs = zip(values.tolist(), indices.tolist(), strict=True)
    return tuple(
        tuple(Prediction(_label(model, i), p, i) for p, i in zip(*row, strict=True) if not math.isnan(p)) for row in pairs
    )


def _label(model: VisionModel, index: int) -> str:
    return model.labels[index] if model.labels and index < len(model.labels) else f"class {index}"
