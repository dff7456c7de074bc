"""What to maximise: one unit of a layer at one place, or a whole channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

Position = tuple[int, ...] | Literal["mean"] | None


@dataclass(frozen=True)
class Objective:
    """A unit for each sample of a batch.

    Attributes:
        units: one a sample: the channel of a map, the neuron of a vector.
        place: row and column in the map (as many numbers as the layer has dimensions beside the units; none for a
            vector), or "mean" for the whole channel.
    """

    units: tuple[int, ...]
    place: tuple[int, ...] | Literal["mean"]

    @classmethod
    def of(cls, units: Sequence[int], position: Position, shape: tuple[int, ...], layer: str) -> Objective:
        """Check units and position against the shape of one sample's activation.

        Args:
            units: one a sample.
            position: None for the centre.
            shape: (C,), (T, C) or (C, H, W).
            layer: its name, for the messages.

        Raises:
            ValueError: the layer has no such unit or position.
        """
        count, sizes = (shape[-1], shape[:-1]) if len(shape) == 2 else (shape[0], shape[1:])
        for unit in units:
            if not 0 <= unit < count:
                raise ValueError(f"{layer} has units 0 to {count - 1}, not {unit!r}")
        if position == "mean":
            return cls(tuple(units), "mean")
        place = tuple(size // 2 for size in sizes) if position is None else tuple(position)
        if len(place) != len(sizes) or any(not 0 <= at < size for at, size in zip(place, sizes, strict=True)):
            raise ValueError(
                f"position must be 'mean', None for the centre, or lie within {sizes} of {layer}, not {position!r}"
            )
        return cls(tuple(units), place)

    def scores(self, activation: Tensor) -> Tensor:
        """(B, C, ...) -> (B,) float32, differentiable."""
        maps = _units_first(activation)
        own = maps[torch.arange(len(maps), device=maps.device), torch.tensor(self.units, device=maps.device)]
        return self._at_place(own.float(), maps.ndim - 2)

    def responses(self, activation: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C) float32: every unit of the layer, read as ours is by `scores`."""
        maps = _units_first(activation)
        return self._at_place(maps.float(), maps.ndim - 2)

    def strongest(self, activation: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Which unit the layer responds with most, and whether it is ours; at any place, or on average for "mean".

        Args:
            activation: (B, C, ...).
            scores: (B,), as `scores` gave.

        Returns:
            (B,) numbers of units, (B,) whether it is our unit at our place.
        """
        maps = _units_first(activation).detach()
        places = tuple(range(2, maps.ndim))
        if places:
            maps = maps.float().mean(places) if self.place == "mean" else maps.amax(places)
        values, top = maps.float().max(1)
        ours = top == torch.tensor(self.units, device=top.device)
        return top, ours if self.place == "mean" else ours & (scores.detach() >= values)

    def _at_place(self, maps: Tensor, dimensions: int) -> Tensor:
        """The last ``dimensions``, those of the map, reduced to our place or to their mean."""
        if self.place == "mean":
            return maps.flatten(-dimensions).mean(-1) if dimensions else maps
        for at in reversed(self.place):
            maps = maps[..., at]
        return maps


def _units_first(activation: Tensor) -> Tensor:
    """(B, T, C), which transformers use, -> (B, C, T); all else has the units first already."""
    return activation.movedim(2, 1) if activation.ndim == 3 else activation
