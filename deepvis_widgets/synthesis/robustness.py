"""Transforms before each forward pass: what a unit responds to should not hang on the exact place, size and angle.

Transformation robustness as a prior: Mordvintsev et al. 2015 (jitter), Olah, Mordvintsev and Schubert 2017, "Feature
visualization" (jitter, scale, rotate, pad). They change how the network sees the picture; the picture itself stays. Every
sample draws from its own generator, made anew from its seed and the step's index, so that a run can be taken up anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .declarations import Parameter, declared_in, prior


@dataclass(frozen=True)
class Draw:
    """Randomness for one step.

    Attributes:
        seeds: one a sample.
        index: of the step.
    """

    seeds: tuple[int, ...]
    index: int

    def uniform(self, count: int, purpose: int) -> Tensor:
        """(B, count) in -1..1; every purpose has its own numbers, whichever other transforms are on."""
        return torch.stack([2 * torch.rand(count, generator=self._generator(seed, purpose)) - 1 for seed in self.seeds])

    def _generator(self, seed: int, purpose: int) -> torch.Generator:
        # Mixed with large odd constants, since neighbouring seeds of the generator give related first numbers.
        mixed = seed * 0x9E3779B97F4A7C15 + self.index * 0xC2B2AE3D27D4EB4F + purpose * 0x165667B19E3779F9
        return torch.Generator().manual_seed((mixed ^ (mixed >> 29)) % 2**63)


@prior(Parameter("pad", 1, 64, "px", "Gives the network a margin of the mean colour around the picture.", integer=True))
def pad(x: Tensor, _draw: Draw, *, pad: Tensor) -> Tensor:
    """Show the picture smaller, inside a margin, so that its border is no edge to lean on."""
    size = torch.tensor(x.shape[-2:], device=x.device)
    zoom = 1 + 2 * pad[:, None] / size
    return _warp(x, torch.diag_embed(zoom.flip(1)))


@prior(
    Parameter(
        "jitter", 1, 64, "px", "Shifts what the network sees by up to so many pixels, another way each step.", integer=True
    )
)
def jitter(x: Tensor, draw: Draw, *, jitter: Tensor) -> Tensor:
    """Shift by whole pixels; what leaves on one side comes in on the other."""
    shifts = (draw.uniform(2, 1) * (jitter.cpu()[:, None] + 0.5)).round().clamp(-jitter.cpu()[:, None], jitter.cpu()[:, None])
    pictures = zip(x, shifts.int().tolist(), strict=True)
    return torch.stack([picture.roll(shift, (1, 2)) for picture, shift in pictures])


@prior(Parameter("scale", 0.01, 0.5, "of the size", "Enlarges or shrinks what the network sees by up to this share.", "log"))
def scale(x: Tensor, draw: Draw, *, scale: Tensor) -> Tensor:
    """Zoom in or out around the centre."""
    zoom = 1 / (1 + draw.uniform(1, 2).to(x.device) * scale[:, None])
    return _warp(x, torch.diag_embed(zoom.expand(-1, 2)))


@prior(Parameter("rotate", 1, 180, "degrees", "Turns what the network sees by up to so many degrees.", "log"))
def rotate(x: Tensor, draw: Draw, *, rotate: Tensor) -> Tensor:
    """Turn around the centre."""
    angle = draw.uniform(1, 3)[:, 0].to(x.device) * rotate * (math.pi / 180)
    aspect = x.shape[-2] / x.shape[-1]  # the grid runs from -1 to 1 on both axes, whatever the picture's shape is
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin * aspect], 1), torch.stack([sin / aspect, cos], 1)], 1)
    return _warp(x, matrix)


def _warp(x: Tensor, matrix: Tensor) -> Tensor:
    """Sample each picture at matrix @ place; places run from -1 to 1 around the centre, outside is the mean colour.

    Args:
        x: (B, C, H, W).
        matrix: (B, 2, 2), on (x, y).
    """
    grid = F.affine_grid(F.pad(matrix, (0, 1)), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


TRANSFORMS = declared_in(globals())
