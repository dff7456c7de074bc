"""Gaussian blur and percentiles for batches in which every sample has its own strength."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

TRUNCATE = 4.0  # the kernel ends after so many standard deviations, as scipy's does


def gaussian_blur(x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Blur each sample with its own width; the border is mirrored with the edge pixel repeated (scipy's "reflect").

    Args:
        x: (B, C, H, W).
        sigmas: B standard deviations in pixels, above 0.
    """
    # Two matrix products a picture: several widths cost no more than one, and any border rule is just other coefficients.
    rows, columns = (_stacked(sigmas, size, x.device) for size in x.shape[-2:])
    return rows @ x.contiguous() @ columns.mT


def _stacked(sigmas: Sequence[float], size: int, device: torch.device) -> Tensor:
    """(H, H) where all widths are the same, else (B, 1, H, H)."""
    if len(set(sigmas)) == 1:
        return blur_matrix(sigmas[0], size, device)
    return torch.stack([blur_matrix(sigma, size, device) for sigma in sigmas])[:, None]


@lru_cache(maxsize=128)
def blur_matrix(sigma: float, size: int, device: torch.device) -> Tensor:
    """(size, size) float32: what a one-dimensional blur does to a line of pixels, its mirrored border included."""
    radius = int(TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((size, size))
    source = (np.arange(size)[:, None] + offsets) % (2 * size)
    np.add.at(matrix, (np.arange(size)[:, None], np.minimum(source, 2 * size - 1 - source)), kernel / kernel.sum())
    return torch.from_numpy(matrix).to(device, torch.float32)


def percentile(values: Tensor, percents: Tensor) -> Tensor:
    """Per row its own percentile, linearly interpolated as numpy does.

    Args:
        values: (B, N).
        percents: (B,) in 0..100.

    Returns:
        (B,), of the values' type.
    """
    places = percents.double() / 100 * (values.shape[1] - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=values.shape[1] - 1)
    low, high = _order_statistics(values, below, above)
    return torch.lerp(low.double(), high.double(), places - below).to(values.dtype)


def _order_statistics(values: Tensor, *ranks: Tensor) -> list[Tensor]:
    """Per row the values with these ranks, (B,) each. On a CPU a selection, which is ten times faster than a sort."""
    if values.device.type != "cpu":
        ordered = values.sort(1).values
        return [ordered.gather(1, rank[:, None])[:, 0] for rank in ranks]
    wanted = torch.stack(ranks, 1).numpy()
    rows = zip(values.detach().numpy(), wanted, strict=True)
    picked = np.stack([np.partition(row, np.unique(places))[places] for row, places in rows])
    return list(torch.from_numpy(picked).T)
