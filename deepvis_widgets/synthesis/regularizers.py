"""The priors: what is done to a picture after each step uphill, in the order in which they are written here.

The paper's (Yosinski et al. 2015, "Understanding neural networks through deep visualization", section 4) act with the order
and the details of the Deep Visualization Toolbox. A new prior is one more function in this file, or, if it changes how the
network sees the picture rather than the picture, in `robustness`.

Pictures are (B, C, H, W) float32 in 0..255 with the mean colour subtracted, so that 0 is the mean colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .declarations import Parameter, declared_in, prior
from .filters import gaussian_blur, percentile

EDGE = 0.05  # grey levels; differences well below it are smoothed quadratically, so that total variation has a gradient at 0


@dataclass(frozen=True)
class Moment:
    """What a prior may know besides the picture.

    Attributes:
        index: of the step.
        gradient: (B, C, H, W), of the objective at the picture before the step (the toolbox's choice).
    """

    index: int
    gradient: Tensor


@prior(Parameter("decay", 1e-5, 1.0, "of the picture a step", "Fades every pixel a little toward the mean colour.", "log"))
def decay(x: Tensor, _now: Moment, *, decay: Tensor) -> Tensor:
    """Pull every pixel toward the mean colour, so that no few extreme values dominate."""
    return x * (1 - _each(decay))


@prior(Parameter("l1", 1e-3, 10.0, "grey levels a step", "Moves every pixel toward the mean colour by so much.", "log"))
def sparsity(x: Tensor, _now: Moment, *, l1: Tensor) -> Tensor:
    """Shrink every value by the same amount, small ones to zero (the proximal step of an L1 penalty)."""
    limit = _each(l1)
    return x - x.clamp(-limit, limit)


@prior(
    Parameter("blur_sigma", 0.3, 10.0, "px", "Width of the blur that takes out what changes from pixel to pixel.", "log"),
    Parameter("blur_every", 1, 20, "steps", "Blurs once in so many steps.", integer=True),
)
def blur(x: Tensor, now: Moment, *, blur_sigma: Tensor, blur_every: Tensor) -> Tensor:
    """Blur now and then, since high frequencies raise the score easily and look like nothing."""
    widths, periods = blur_sigma.tolist(), blur_every.tolist()
    due = [b for b, (width, k) in enumerate(zip(widths, periods, strict=True)) if width > 0 and k > 0 and now.index % k == 0]
    if len(due) == len(x):
        return gaussian_blur(x, widths)
    if not due:
        return x
    rows = torch.tensor(due, device=x.device)
    return x.index_copy(0, rows, gaussian_blur(x[rows], [widths[b] for b in due]))


@prior(Parameter("tv", 1e-3, 10.0, "grey levels a step", "Flattens small differences between neighbours, keeps edges.", "log"))
def total_variation(x: Tensor, _now: Moment, *, tv: Tensor) -> Tensor:
    """Descend the total variation (Rudin et al. 1992; Mahendran and Vedaldi 2015): smooth, but with edges."""
    right = torch.nn.functional.pad(x.diff(dim=3), (0, 1))
    down = torch.nn.functional.pad(x.diff(dim=2), (0, 0, 0, 1))
    slope = (right.square() + down.square() + EDGE**2).sqrt()
    right, down = right / slope, down / slope
    curvature = right + down
    curvature[..., 1:] -= right[..., :-1]
    curvature[..., 1:, :] -= down[..., :-1, :]
    return x + _each(tv) * curvature


@prior(Parameter("small_value_percentile", 1, 100, "%", "Sets so many of the single values, the smallest, to the mean colour."))
def small_value(x: Tensor, _now: Moment, *, small_value_percentile: Tensor) -> Tensor:
    """Clip single values that are small (in the toolbox, not in the paper)."""
    size = x.abs()
    return x.masked_fill(size < _each(percentile(size.flatten(1), small_value_percentile)), 0)


@prior(Parameter("norm_percentile", 1, 100, "%", "Sets so many of the pixels, the palest, to the mean colour."))
def small_norm(x: Tensor, _now: Moment, *, norm_percentile: Tensor) -> Tensor:
    """Clip pixels whose norm over the channels is small, so that only what matters stays."""
    return _clear(x, x.square().sum(1).sqrt(), norm_percentile)


@prior(Parameter("contribution_percentile", 1, 100, "%", "Sets so many of the pixels, the least useful, to the mean colour."))
def small_contribution(x: Tensor, now: Moment, *, contribution_percentile: Tensor) -> Tensor:
    """Clip pixels whose contribution to the score, the sum over channels of value times gradient, is small either way."""
    return _clear(x, (x * now.gradient).sum(1).abs(), contribution_percentile)


def _clear(x: Tensor, measure: Tensor, percents: Tensor) -> Tensor:
    """Zero the pixels whose measure (B, H, W) lies strictly below the percentile of their sample."""
    limit = percentile(measure.flatten(1), percents)
    kept = (measure >= limit[:, None, None])[:, None]
    return x * kept  # on a CPU four times faster than to fill by a mask that holds for all channels


def _each(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1)."""
    return values[:, None, None, None]


PRIORS = declared_in(globals())
