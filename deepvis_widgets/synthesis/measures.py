"""How good a picture is, in numbers that need no person."""

from __future__ import annotations

import torch
from torch import Tensor

HIGH = 0.25  # cycles a pixel: half of what the grid can hold


def high_frequency_share(x: Tensor) -> Tensor:
    """Share of a picture's energy (its mean left out) above 0.25 cycles a pixel; (B, C, H, W) -> (B,) in 0..1."""
    power, radius = _power(x)
    total = power.flatten(1).sum(1)
    return (power * (radius > HIGH)).flatten(1).sum(1) / total.clamp(min=1e-12)


def total_variation(x: Tensor) -> Tensor:
    """Mean difference between neighbours over the standard deviation: 1.13 for white noise; (B, C, H, W) -> (B,)."""
    steps = (x.diff(dim=2).abs().flatten(1).mean(1) + x.diff(dim=3).abs().flatten(1).mean(1)) / 2
    return steps / x.flatten(1).std(1).clamp(min=1e-6)


def radial_spectrum(x: Tensor, bins: int = 16) -> Tensor:
    """Log of the mean power by frequency, from the lowest to 0.5 cycles a pixel, its mean taken out; -> (B, bins)."""
    power, radius = _power(x)
    index = (radius * 2 * bins).long().clamp(max=bins - 1).flatten()
    index = torch.where(radius.flatten() > 0.5, bins, index)  # the corners
    sums = torch.zeros(len(x), bins + 1, device=x.device).index_add_(1, index, power.flatten(1))
    counts = torch.bincount(index, minlength=bins + 1).clamp(min=1)
    log = ((sums / counts)[:, :bins] + 1e-12).log10()
    return log - log.mean(1, keepdim=True)


def spectrum_distance(x: Tensor, natural: Tensor) -> Tensor:
    """Mean difference, in powers of ten, between radial spectra; ``natural`` (bins,) from `radial_spectrum` of photographs."""
    return (radial_spectrum(x, len(natural)) - natural.to(x.device)).abs().mean(1)


def _power(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, W) energy, summed over the channels, and (H, W) its frequency in cycles a pixel."""
    centred = x.float() - x.float().mean((2, 3), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().sum(1)
    rows, columns = (torch.fft.fftfreq(size, device=x.device) for size in x.shape[-2:])
    return power, (rows[:, None].square() + columns.square()).sqrt()
