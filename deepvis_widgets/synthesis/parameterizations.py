"""What is optimised: pixels, or numbers that make better pictures when each of them takes an equal step.

Every parameterization here is linear, so that it is nothing but another measure of which way is steepest: the picture stays
the state of a run, the paper's priors act on it as ever, and a run may be taken up from any picture.

- "pixels" is the paper's. Its gradient is strongest in what changes from pixel to pixel, so it wants a prior against that:
  blur, or total variation.
- "fourier" (Olah, Mordvintsev and Schubert 2017, "Feature visualization", on preconditioning) goes steepest uphill in
  Fourier coefficients of independent colours, scaled so that a step changes the picture as photographs vary: by 1/frequency,
  and hardly in colours that photographs hardly have. It wants the robustness transforms, which take out the fine texture
  that is left, and the mean colour to start from, since noise would stay; seeds then differ by what the transforms draw.
  Total variation, L1 and a little decay go with it. Blur is not needed. The percentile clips do what they say but work
  against it: what they cut out has hard edges, which no step of it makes.

Both are scaled so that a step along white noise keeps its size: a step size means grey levels with either.

There, each coefficient is scaled as 1/frequency and Adam gives each an equal step, so that a step of the picture goes as
1/frequency. Here the gradient itself is followed, through the scaling and back, so the square root of it does the same. (With
1/frequency itself, pictures drift into large dark blobs: of 27 classes of squeezenet1_0, in trials of 70 to 100 steps,
caffenet-mini had 3 or 4 among its top 5 then, and 10 to 12 with the root.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import torch
from torch import Tensor

# What turns independent colours into those of photographs: R with R Rᵀ the covariance of (red, green, blue) in 0..1. Its
# columns are lightness, red to blue, and green to magenta, times their standard deviations. Computed from the 110,000
# photographs of Tiny-ImageNet by `colour_statistics`. Lucid's, from ImageNet, is near (optvis/param/color.py, columns up to
# their sign): 0.26 0.27 0.27; 0.09 0.00 -0.09; 0.02 -0.05 0.03.
COLOUR_ROOT = (
    (0.2549, 0.0994, -0.0248),
    (0.2630, -0.0021, 0.0511),
    (0.2622, -0.0946, -0.0271),
)


class Parameterization(Protocol):
    """A linear map from parameters to pictures, and its transpose.

    Attributes:
        start: the start that suits it, by name; see `starts`.
    """

    start: ClassVar[str]

    def pull(self, gradient: Tensor) -> Tensor:
        """(B, C, H, W), the gradient with respect to the picture -> (B, ...), with respect to the parameters."""
        ...

    def push(self, change: Tensor) -> Tensor:
        """A change of the parameters -> the change of the picture, (B, C, H, W)."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The picture itself, as in the paper."""

    start: ClassVar[str] = "mean_plus_noise"

    def pull(self, gradient: Tensor) -> Tensor:
        """As it is."""
        return gradient

    def push(self, change: Tensor) -> Tensor:
        """As it is."""
        return change


@dataclass(frozen=True)
class Fourier:
    """Fourier coefficients of independent colours, scaled as the root of 1/frequency.

    The parameters are (B, C, H, W // 2 + 1) complex, half of a real picture's spectrum in an orthonormal basis: their norm
    is that of the picture that they would be without the scaling.

    Attributes:
        width: of the pictures, which half a spectrum does not tell.
    """

    start: ClassVar[str] = "mean"
    width: int

    def pull(self, gradient: Tensor) -> Tensor:
        """The transpose of `push`."""
        colours = torch.einsum("cd,bchw->bdhw", colour_root(gradient.shape[1]).to(gradient), gradient)
        spectrum = torch.fft.rfft2(colours, norm="ortho")
        scale = _gains(*gradient.shape[-2:], gradient.device, gradient.dtype) * self._weights(spectrum)
        coefficients: Tensor = spectrum * scale
        return coefficients

    def push(self, change: Tensor) -> Tensor:
        """Coefficients -> picture."""
        size = (change.shape[-2], self.width)
        spectrum = change * _gains(*size, change.device, change.real.dtype) / self._weights(change)
        colours = torch.fft.irfft2(spectrum, size, norm="ortho")
        return torch.einsum("cd,bdhw->bchw", colour_root(colours.shape[1]).to(colours), colours)

    def _weights(self, spectrum: Tensor) -> Tensor:
        """(W // 2 + 1,): √2 for columns that stand for two of the full spectrum, their own and its mirror image."""
        weights = torch.full(spectrum.shape[-1:], 2**0.5, dtype=spectrum.real.dtype, device=spectrum.device)
        weights[0] = 1
        if self.width % 2 == 0:
            weights[-1] = 1
        return weights


@lru_cache(maxsize=16)
def _gains(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(H, W // 2 + 1): the root of 1/frequency, that being at most the longer side, and a step's mean square gain 1."""
    rows = torch.fft.fftfreq(height, device=device, dtype=torch.float64)
    columns = torch.fft.fftfreq(width, device=device, dtype=torch.float64)
    full = 1 / (rows[:, None].square() + columns.square()).sqrt().clamp(min=1 / max(height, width))
    gains: Tensor = (full / full.square().mean().sqrt()).sqrt()
    return gains[:, : width // 2 + 1].to(dtype)


def colour_root(channels: int) -> Tensor:
    """(C, C) float64: independent colours -> pictures, so that a step has photographs' colours and a mean square gain of 1.

    Where there are not three channels, the identity.
    """
    if channels != len(COLOUR_ROOT):
        return torch.eye(channels, dtype=torch.float64)
    directions, deviations, _ = torch.linalg.svd(torch.tensor(COLOUR_ROOT, dtype=torch.float64))
    root: Tensor = directions * (deviations / deviations.square().mean().sqrt()).sqrt()
    return root


def parameterization(name: str, width: int) -> Parameterization:
    """By name.

    Args:
        name: "pixels" or "fourier".
        width: of the pictures.

    Raises:
        ValueError: no such parameterization.
    """
    if name == "pixels":
        return Pixels()
    if name == "fourier":
        return Fourier(width)
    raise ValueError(f"parameterization must be 'pixels' or 'fourier', not {name!r}")
