"""Activations -> pictures: the toolbox's rules for range, boost, gamma and tiling, and ours for signs, flicker and NaN.

A layer is shown as maps (units, h, w). One range for the whole layer turns them into bytes (Yosinski et al.'s toolbox,
`_get_normalized_data`); per-unit boost and gamma bend the bytes, a colour map colours them, tiles arrange them. The browser
does the last three; `mosaic` does the same here for saved notebooks and papers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from numpy.typing import NDArray

TINY = 1e-10  # keeps constant layers from dividing by zero, as in the toolbox


@dataclass(frozen=True)
class Heatmaps:
    """A layer's maps as bytes.

    Attributes:
        maps: (units, h, w) uint8; 0 is ``low``, 255 is ``high``.
        low: the value shown as 0.
        high: the value shown as 255.
        signed: the range is symmetric and zero is its middle.
        invalid: (units, h, w) bool, where the value was NaN or infinite (the byte is 0 there); None where there is none.
    """

    maps: NDArray[np.uint8]
    low: float
    high: float
    signed: bool
    invalid: NDArray[np.bool_] | None = None

    @property
    def invalid_count(self) -> int:
        """How many values are NaN or infinite."""
        return 0 if self.invalid is None else int(self.invalid.sum())


class Range:
    """The range of a layer, from frame to frame; symmetric for a frame with negative values, so that zero is its middle.

    Args:
        smoothing: 0 takes each frame's own minimum and maximum, as the toolbox does; towards 1 the range follows more
            slowly, which keeps a live picture from flickering. A larger maximum always counts at once, so nothing clips.
        fixed: a (low, high) that always holds, symmetric or not.
    """

    def __init__(self, smoothing: float = 0.0, fixed: tuple[float, float] | None = None) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, not {smoothing}")
        if fixed is not None and not fixed[0] < fixed[1]:
            raise ValueError(f"a fixed range needs low < high, not {fixed}")
        self.smoothing, self.fixed = smoothing, fixed
        self._last: tuple[float, float] | None = None

    def update(self, low: float, high: float) -> tuple[float, float]:
        """Take in a frame's minimum and maximum; the range to show it with."""
        if self.fixed is not None:
            return self.fixed
        negative = low < 0
        if self._last is not None:
            low = min(low, self._last[0] + (1 - self.smoothing) * (low - self._last[0]))
            high = max(high, self._last[1] + (1 - self.smoothing) * (high - self._last[1]))
        self._last = (low, high)
        return (-max(-low, high), max(-low, high)) if negative else (max(low, 0.0), high)


def as_maps(activation: Tensor) -> Tensor:
    """One picture's activation as maps (units, h, w).

    (C, H, W) stays. A vector (C,) becomes C maps of one pixel. Tokens (T, D), as transformers have them, become D maps: square
    where T is a square, or one more than a square (the class token is left out), else one row. Other ranks are flattened
    behind their first axis.
    """
    if activation.ndim == 3:
        return activation
    if activation.ndim == 1:
        return activation[:, None, None]
    if activation.ndim == 2:
        tokens = activation.shape[0]
        side = math.isqrt(tokens)
        if tokens > 1 and side * side in (tokens, tokens - 1):
            return activation[tokens - side * side :].T.reshape(-1, side, side)
        return activation.T[:, None, :]
    return activation.flatten(2)


def shrink(maps: Tensor, tile: int) -> Tensor:
    """Average maps down to at most ``tile`` pixels a side, by whole factors: more would not be seen, only sent."""
    factor = [math.ceil(side / tile) for side in maps.shape[-2:]]
    return F.avg_pool2d(maps[None], factor, ceil_mode=True)[0] if max(factor) > 1 else maps


def to_bytes(maps: Tensor, span: Range | None = None) -> Heatmaps:
    """Float maps (units, h, w) -> bytes, over one range for the whole layer.

    Layers that have negative values get a symmetric range (see `Range`); others start at their minimum.
    """
    # Convolutions leave channels last in memory; going through the values in that order is ten times faster.
    channels_last = maps.permute(1, 2, 0).is_contiguous()
    values = maps.permute(1, 2, 0) if channels_last else maps
    low, high = _bounds(values)
    broken = None
    if not (math.isfinite(low) and math.isfinite(high)):
        broken = ~torch.isfinite(values)
        values = values.masked_fill(broken, 0)
        low, high = _bounds(values)
    low, high = (span or Range()).update(low, high)
    signed = low < 0 and low == -high
    scale = 255 / max(high - low, TINY)
    # The difference first: far from zero, float32 has no digits left. A hair above one half, so that zero is always byte 128.
    pixels = torch.add(0.501, values.float() - low, alpha=scale)
    if span is not None and span.fixed is not None:  # otherwise nothing lies outside
        pixels = pixels.clamp_(0, 255)
    if broken is not None:
        pixels = pixels.masked_fill_(broken, 0)

    def in_order(tensor: Tensor) -> NDArray[Any]:
        return (tensor.permute(2, 0, 1) if channels_last else tensor).contiguous().cpu().numpy()

    return Heatmaps(in_order(pixels.byte()), low, high, signed, None if broken is None else in_order(broken))


def _bounds(values: Tensor) -> tuple[float, float]:
    low, high = torch.aminmax(values)
    return float(low), float(high)


def tile_grid(units: int, aspect: float = 1.0) -> tuple[int, int]:
    """Rows and columns for that many tiles in a pane of that width : height, as the toolbox lays them out."""
    columns = max(1, math.ceil(math.sqrt(units * aspect) - TINY))
    return math.ceil(units / columns), columns


def bend(maps: NDArray[np.uint8], *, boost: float = 0.0, gamma: float = 1.0, signed: bool = False) -> NDArray[np.float64]:
    """The toolbox's boost and gamma: bytes -> numbers in 0..1, or -1..1 where signed.

    d <- d (max over the unit + 1e-10)^-boost, then d <- d^gamma; signed maps by magnitude, keeping the sign.
    """
    values = (maps - 127.5) / 127.5 if signed else maps / 255
    peaks = np.abs(values).max(axis=(1, 2), keepdims=True)
    # A unit that is zero stays dark: in signed maps no byte is exactly zero, and boosting would make the rest of it bright.
    values = values * np.where(peaks > 1 / 255, peaks, 1) ** -boost
    bent: NDArray[np.float64] = np.sign(values) * np.minimum(np.abs(values), 1) ** gamma
    return bent


def mosaic(
    heatmaps: Heatmaps, colours: NDArray[np.uint8], *, boost: float = 0.0, gamma: float = 1.0, side: int = 600
) -> NDArray[np.uint8]:
    """All units of a layer in one picture (about ``side`` pixels wide), what the browser draws.

    Args:
        heatmaps: the layer.
        colours: (256, 3) uint8, from lowest to highest.
        boost: 0..1, how far each unit uses its own range.
        gamma: below 1 lifts the weak values.
        side: width in pixels.
    """
    units, height, width = heatmaps.maps.shape
    rows, columns = tile_grid(units, height / width)
    bent = bend(heatmaps.maps, boost=boost, gamma=gamma, signed=heatmaps.signed)
    index = np.rint(bent * 127.5 + 127.5 if heatmaps.signed else bent * 255).astype(np.uint8)
    tiles = colours[index]
    if heatmaps.invalid is not None:
        tiles[heatmaps.invalid] = (255, 0, 255)
    zoom = max(1, side // (columns * (width + 1)))
    tiles = tiles.repeat(zoom, 1).repeat(zoom, 2)
    canvas = np.full((rows * columns, height * zoom + 1, width * zoom + 1, 3), 128, np.uint8)
    canvas[:units, :-1, :-1] = tiles
    grid = canvas.reshape(rows, columns, *canvas.shape[1:]).swapaxes(1, 2)
    return grid.reshape(rows * canvas.shape[1], columns * canvas.shape[2], 3)
