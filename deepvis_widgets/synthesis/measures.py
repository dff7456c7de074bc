"""How good a picture is, in numbers that need no person: of the picture alone, and of what the network makes of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .robustness import TRANSFORMS, Draw
from .settings import Regularization, bind

if TYPE_CHECKING:
    from .gradient import GradientOf

HIGH = 0.25  # cycles a pixel: half of what the grid can hold
BANDS = 8  # of the radial spectrum
LOWEST = 1 / 32  # cycles a pixel, where its first band begins; each is half an octave wide
# As `natural_spectrum` computes it from 96 photographs of ImageNet classes, scaled to 224 pixels. It hardly depends on the size
# (at most 0.04 away for 64, 128 and 227); single photographs lie 0.13 from it (median).
NATURAL = (1.458, 1.069, 0.69, 0.266, -0.145, -0.59, -1.081, -1.667)
HELD_OUT_SEED, DRAWS = 7919, 8  # of the transforms that `robustness` tries; no run uses such step indices
HELD_OUT_STEP = 1_000_000


def high_frequency_share(x: Tensor) -> Tensor:
    """Share of a picture's energy (its mean left out) above 0.25 cycles a pixel; (B, C, H, W) -> (B,) in 0..1."""
    power, radius = _power(x)
    total = power.flatten(1).sum(1)
    return (power * (radius > HIGH)).flatten(1).sum(1) / total.clamp(min=1e-12)


def total_variation(x: Tensor) -> Tensor:
    """Mean difference between neighbours over the standard deviation: 1.13 for white noise; (B, C, H, W) -> (B,)."""
    steps = (x.diff(dim=2).abs().flatten(1).mean(1) + x.diff(dim=3).abs().flatten(1).mean(1)) / 2
    return steps / x.flatten(1).std(1).clamp(min=1e-6)


def radial_spectrum(x: Tensor) -> Tensor:
    """How a picture's energy falls off with frequency: log10 of the mean power in each band, less the mean over the bands.

    The bands are half an octave wide, from 1/32 to 1/2 cycles a pixel; white noise gives zeros.

    Args:
        x: (B, C, H, W).

    Returns:
        (B, 8); nan for bands that a picture of this size has no frequency in, which happens below 64 pixels a side.
    """
    power, radius = _power(x)
    band = torch.where(radius < LOWEST, -1, (2 * (radius / LOWEST).clamp(min=1).log2()).floor().long()).flatten()
    inside = (band >= 0) & (band < BANDS)  # not the mean, nor the corners beyond 1/2
    sums = torch.zeros(len(x), BANDS, device=x.device).index_add_(1, band[inside], power.flatten(1)[:, inside])
    log = (sums / torch.bincount(band[inside], minlength=BANDS)).clamp(min=1e-12).log10()
    return log - log.nanmean(1, keepdim=True)


def spectrum_distance(x: Tensor) -> Tensor:
    """How far a picture's radial spectrum is from that of photographs: mean difference in powers of ten; -> (B,).

    0.13 is the median of photographs themselves; white noise has 0.87.
    """
    ours = radial_spectrum(x)
    natural = torch.where(ours.isnan(), torch.nan, torch.tensor(NATURAL, device=x.device))
    return (ours - natural + natural.nanmean(1, keepdim=True)).abs().nanmean(1)


def robustness(gradient_of: GradientOf, x: Tensor, scores: Tensor) -> Tensor:
    """How much of its score a picture keeps when the network sees it shifted, enlarged or shrunk, and turned.

    Up to 5 % of the size, 10 % and 10 degrees, all at once, 8 times; the same draws for every picture, and none that a run
    has made its picture for.

    Args:
        gradient_of: the objective.
        x: (B, C, H, W), on the network's device.
        scores: (B,) without.

    Returns:
        (B,) on the CPU: mean over the draws, over ``scores``; 1 is unharmed. nan where the score is not above 0.
    """
    shift = max(1, round(0.05 * min(x.shape[-2:])))
    held_out = Regularization(jitter=shift, scale=0.1, rotate=10)
    transforms = bind(TRANSFORMS, (held_out,) * len(x), x.device)
    total = torch.zeros(len(x))
    for index in range(HELD_OUT_STEP, HELD_OUT_STEP + DRAWS):
        draw, seen = Draw((HELD_OUT_SEED,) * len(x), index), x
        for transform in transforms:
            seen = transform(seen, draw)
        total += gradient_of.objective.scores(gradient_of.activation(seen)).cpu()
    return torch.where(scores > 0, total / DRAWS / scores, torch.nan)


def selectivity(gradient_of: GradientOf, x: Tensor) -> Tensor:
    """How far a unit stands out among the units of its layer: its lead over the strongest other, in their standard deviations.

    All units are read at the same place (or each as its channel's mean), before or after a ReLU as the objective is. Above 0
    the unit is the strongest; a class score of 2 beats the runner-up by twice what the other classes vary by.

    Args:
        gradient_of: the objective.
        x: (B, C, H, W), on the network's device.

    Returns:
        (B,) on the CPU; nan where the layer has fewer than three units, or all others respond alike.
    """
    responses = gradient_of.objective.responses(gradient_of.activation(x)).cpu()
    own = torch.zeros_like(responses, dtype=torch.bool)
    own[torch.arange(len(x)), list(gradient_of.objective.units)] = True
    if responses.shape[1] < 3:
        return torch.full((len(x),), torch.nan)
    others = responses[~own].view(len(x), -1)
    spread = others.std(1)
    return torch.where(spread > 0, (responses[own] - others.amax(1)) / spread, torch.nan)


def _power(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, W) energy, summed over the channels, and (H, W) its frequency in cycles a pixel.

    Under a Hann window, since the jump from one border to the opposite one would count as detail.
    """
    window = partial(torch.hann_window, periodic=False, device=x.device)
    height, width = x.shape[-2:]
    weight = (window(height + 2)[1:-1, None] * window(width + 2)[1:-1])[None, None]
    centred = x.float() - (x.float() * weight).sum((2, 3), keepdim=True) / weight.sum()
    power = torch.fft.fft2(centred * weight).abs().square().sum(1)
    rows, columns = (torch.fft.fftfreq(size, device=x.device) for size in (height, width))
    return power, (rows[:, None].square() + columns.square()).sqrt()
